"""Experiments as YAML files: read with the line of each mistake, written so that they are read back the same."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.submit import signature, spaces
from awsrun.jobs.submit.experiment import DOCUMENT, Experiment
from awsrun.spec.document import Document, read, written
from awsrun.spec.json_schema import DIALECT, tidy
from awsrun.spec.load import text_of
from awsrun.spec.mistakes import refuse

_PATHS = ("job", "inputs", "requirements")  # relative to the folder of the file that they stand in


def build(job: str | Path | Experiment, options: Mapping[str, Any]) -> Experiment:
    """The experiment that somebody means.

    Args:
        job: a Python file, an experiment's YAML file, or an experiment.
        options: fields of it; they replace its own (see `Experiment.changed`).

    Raises:
        AwsrunError: whatever does not fit.
    """
    if isinstance(job, Experiment):
        return job.changed(options)
    if Path(job).suffix.lower() in (".yaml", ".yml"):
        return load(job).changed(options)
    return Experiment(job=job, **options)


def load(source: str | Path) -> Experiment:
    """The experiment in a file, checked against the signature of its job.

    Raises:
        AwsrunError: it cannot be read, or has mistakes: all are named, each with line, field and, where there is one,
            the nearest valid spelling.
    """
    document = read(
        text_of(Path(source), "experiment", "jobs"), str(source), "an experiment starts with `job: FILE.py`"
    )
    data = document.data
    if isinstance(data, dict) and "resources" in data:
        raise AwsrunError(f"{source} is the spec of a stack, no experiment", hint=f"awsrun apply {source}")
    if not isinstance(data, dict):
        if not document.mistakes:
            document.mistake((), "an experiment is lines such as `job: FILE.py` and `grid: {lr: [0.1, 0.01]}`")
        raise refuse(str(source), document.mistakes)
    experiment = _read(document, data)
    for trail, error in _misfits(_placed(experiment, Path(source).parent)) if experiment else ():
        near = error.hint if error.hint.startswith("did you mean") else ""
        document.mistake(trail, "; ".join(part for part in (error.what, error.why, near) if part))
    if document.mistakes or not experiment:
        raise refuse(str(source), document.mistakes)
    return _placed(experiment, Path(source).parent)


def _read(document: Document, data: dict[str, Any]) -> Experiment | None:
    """As much of it as can be looked at: without what is wrong by itself, which is noted."""
    context = {DOCUMENT: document}
    try:
        return Experiment.model_validate(data, context=context)
    except AwsrunError:
        wrong = {re.split(r"[.[]", one.where)[0] for one in document.mistakes}
        rest = {name: value for name, value in data.items() if name not in wrong}
        return Experiment.model_validate(rest, context=context) if "job" in rest else None


def text(experiment: Experiment, comments: tuple[str, ...] = ()) -> str:
    """The experiment as a file; nothing that is the default.

    Args:
        comments: lines that go before it.
    """
    head = "".join(f"# {line}\n" for line in comments)
    return head + written(experiment.model_dump(mode="json", exclude_defaults=True))


def schema() -> dict[str, Any]:
    """A JSON schema (draft 2020-12) of experiments' files; whether they fit their jobs, only `load` can say."""
    found = tidy(Experiment.model_json_schema())
    about = "A job and its sets of parameters; `awsrun submit` runs it."
    return {"$schema": DIALECT, "title": "awsrun experiment", **found, "description": about}


def _placed(experiment: Experiment, folder: Path) -> Experiment:
    given = {name: getattr(experiment, name) for name in _PATHS}
    return experiment.changed(
        {name: os.path.normpath(folder / one) for name, one in given.items() if isinstance(one, str | Path)}
    )


def _misfits(experiment: Experiment) -> Iterator[tuple[tuple[str | int, ...], AwsrunError]]:
    """Where it does not fit its job, and how; what only the whole of it shows is left to `request.prepare`."""
    try:
        known = signature.read(experiment.job)
    except AwsrunError as error:
        yield ("job",), error
        return
    for part in ("grid", "range", "set"):
        for name, given in getattr(experiment, part).items():
            try:
                spaces.check(known, part, name, given)
            except AwsrunError as error:
                yield (part, name), error
    if isinstance(experiment.inputs, str | Path | None):
        return
    for at, row in enumerate(experiment.inputs):
        for name, value in row.items():
            try:
                known.parameter(name).check(value)
            except AwsrunError as error:
                yield ("inputs", at, name), error
