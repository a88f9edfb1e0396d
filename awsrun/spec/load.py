"""Reads a spec: a `StackSpec`, or one error that names every mistake.  Nothing here talks to any cloud."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from awsrun.aws.errors import AwsrunError
from awsrun.spec import check
from awsrun.spec.document import Document, read
from awsrun.spec.jobs import find_jobs
from awsrun.spec.mistakes import near, refuse
from awsrun.spec.paths import FOLDER
from awsrun.spec.references import ResourceSpec, Trail
from awsrun.spec.sentences import complain, shown
from awsrun.spec.stack import RESOURCE_NAME, STACK_NAME, StackSpec
from awsrun.spec.variables import Given, bind, substitute

Kinds = Mapping[str, type[ResourceSpec]]
KEYS = ("stack", "variables", "protect", "resources", "jobs")
NOTHING = Given()


def load(source: Path | str, kinds: Kinds, given: Given = NOTHING) -> StackSpec:
    """The stack that the file ``source`` describes.

    Args:
        kinds: what users may write as ``kind:``, each with its model; looked up only for the kinds that are used.
        given: values for its variables.

    Raises:
        AwsrunError: the file cannot be read or is a job, has variables without a value, or has mistakes: all are named,
            each with line, field and, where there is one, the nearest valid spelling.
    """
    if Path(source).suffix == ".py" and Path(source).is_file():
        raise AwsrunError(f"{source} is Python, no spec of a stack", "a spec is YAML", f"awsrun submit {source}")
    return parse(text_of(Path(source)), str(source), kinds, given)


def parse(text: str, source: str, kinds: Kinds, given: Given = NOTHING) -> StackSpec:
    """The stack that the YAML ``text`` describes; ``source`` is the file's name in errors, else as `load`."""
    document = read(text, source)
    if document.data is None and document.mistakes:
        raise refuse(source, document.mistakes)
    if not isinstance(document.data, dict):
        document.mistake((), "a spec is lines such as `stack: NAME` and `resources:`")
        raise refuse(source, document.mistakes)
    if "job" in document.data and "resources" not in document.data:
        raise AwsrunError(f"{source} is an experiment, no spec of a stack", hint=f"awsrun submit {source}")
    for key in document.data:
        if key not in KEYS:
            document.mistake((key,), f"unknown key{near(key, KEYS)}")
    bound = bind(document, given)
    substitute(document, bound)
    stack, protect = _stack(document), _protect(document)
    written = _resources(document)
    specs = _specs(document, written, kinds)
    models = {name: kinds[str(data["kind"])] for name, data in written.items() if data.get("kind") in kinds}
    names = {name: str(data.get("kind") if name in models else "") for name, data in written.items()}
    for name, model in models.items():
        check.check_references(document, ("resources", name), model, written[name], names)
        check.check_outputs(document, ("resources", name), model, written[name], models)
    check.check_cycles(document, models, written)
    check.check_networks(document, specs)
    jobs = find_jobs(document, document.data.get("jobs"), names, written)
    if document.mistakes:
        raise refuse(source, document.mistakes)
    whole = check.fit(document, specs)
    if document.mistakes:
        raise refuse(source, document.mistakes)
    return StackSpec(stack, whole, jobs, source, {name: one.value for name, one in bound.items()}, protect)


def _stack(document: Document) -> str:
    name = document.data.get("stack")
    if name is None:
        document.mistake(("stack",), "missing: a spec starts with `stack: NAME`")
    elif not isinstance(name, str) or not re.match(STACK_NAME, name):
        rule = (
            "a stack's name is lower-case letters, digits and single dashes, a letter first, 24 characters at most, "
            "and does not start with awsrun"
        )
        document.mistake(("stack",), f"{shown(name)} will not do: {rule}")
    return str(name)


def _protect(document: Document) -> bool:
    protect = document.data.get("protect", False)
    if not isinstance(protect, bool):
        document.mistake(("protect",), f"must be true or false; this is {shown(protect)}")
    return protect is True


def _resources(document: Document) -> dict[str, dict[str, Any]]:
    """Those that are mappings under a valid name; the rest are noted as mistakes."""
    written = document.data.get("resources")
    if not isinstance(written, dict) or not written:
        text = "missing: a spec has `resources:`" if written is None else "must be lines such as `NAME: {kind: vpc}`"
        document.mistake(("resources",), text)
        return {}
    found: dict[str, dict[str, Any]] = {}
    for name, data in written.items():
        twin = next((other for other in found if other.replace("_", "-") == name.replace("_", "-")), None)
        if not re.match(RESOURCE_NAME, name):
            rule = "a resource's name is lower-case letters, digits, single - and _, a letter first, 40 at most"
            document.mistake(("resources", name), f"{name!r} will not do: {rule}")
        elif twin:
            document.mistake(("resources", name), f"too like {twin!r}: physical names would be the same")
        elif not isinstance(data, dict):
            document.mistake(("resources", name), f"must be lines such as `kind: vpc`; this is {shown(data)}")
        else:
            found[name] = data
    return found


def _specs(document: Document, written: Mapping[str, dict[str, Any]], kinds: Kinds) -> dict[str, ResourceSpec]:
    specs: dict[str, ResourceSpec] = {}
    context = {FOLDER: Path(document.source).parent.absolute()}
    for name, data in written.items():
        kind, trail = data.get("kind"), ("resources", name)
        if kind is None:
            document.mistake((*trail, "kind"), f"missing{near('', kinds)}")
        elif not isinstance(kind, str) or kind not in kinds:
            document.mistake((*trail, "kind"), f"no kind {shown(kind)}{near(kind, kinds)}")
        else:
            try:
                specs[name] = kinds[kind].model_validate(data, context=context)
                _no_truth_as_number(document, trail, data, specs[name])
            except ValidationError as error:
                complain(document, trail, kinds[kind], data, error)
            except AwsrunError as error:
                document.mistake(trail, ": ".join(part for part in (error.what, error.why, error.hint) if part))
    return specs


def _no_truth_as_number(document: Document, trail: Trail, data: Mapping[str, Any], spec: ResourceSpec) -> None:
    """Pydantic takes true for 1; somebody who writes `max_vcpus: true` means something else."""
    for key, value in data.items():
        if isinstance(value, bool) and type(getattr(spec, key, None)) in (int, float):
            document.mistake((*trail, key), f"must be a whole number; this is {shown(value)}")


def text_of(path: Path, what: str = "spec", usual: str = "specs") -> str:
    """The text of a file.

    Args:
        what: what it should be, as errors say it; ``usual``: the folder that such files are usually in.

    Raises:
        AwsrunError: it cannot be read; where there is none, the nearest name is in the hint.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AwsrunError(f"{path} is not a text file in UTF-8", f"byte {error.start} is not") from error
    except IsADirectoryError as error:
        raise AwsrunError(f"{path} is a folder, no {what}", _there(path), "") from error
    except FileNotFoundError as error:
        near_files = [str(found) for folder in (path.parent, Path(usual)) for found in _yaml(folder)]
        close = get_close_matches(str(path), near_files, n=1)
        hint = f"did you mean {close[0]}?" if close else ""
        raise AwsrunError(f"no file {path}", _there(path.parent), hint) from error
    except OSError as error:
        raise AwsrunError(f"cannot read {path}", str(error)) from error


def _there(folder: Path) -> str:
    names = [found.name for found in _yaml(folder)]
    return f"in {folder} there are: {', '.join(names[:12])}" if names else f"there is no YAML file in {folder}"


def _yaml(folder: Path) -> list[Path]:
    return sorted(found for found in folder.glob("*.y*ml") if found.is_file())
