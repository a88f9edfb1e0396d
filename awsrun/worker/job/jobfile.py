"""Loads a user's job file as Python runs a script, without running its ``__main__`` part; and calls its function.

A file with relative imports is loaded as ``python -m`` runs it: as a part of the package that it lies in.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from awsrun.worker.job.trial import Trial, plain
from awsrun.worker.protocol.records import LARGEST_RESULT, dump
from awsrun.worker.protocol.space import LINES

Function = Callable[..., Any]


@dataclass(frozen=True)
class Entry:
    """What a job file offers.

    Attributes:
        one: runs one set of parameters.
        many: runs a block of inputs, a list of such sets; None for a job that takes them one by one.
    """

    one: Function
    many: Function | None = None


def load(root: Path, job: str, function: str, batch: str = "") -> Entry:
    """The entry functions of a job file.

    Args:
        root: the project's; it and the job's folder can be imported from.
        job: the file, relative to ``root``.

    Raises:
        Exception: whatever importing the job raises; AttributeError if a function is not there.
    """
    path = root / job
    sys.path[:0] = list(dict.fromkeys([str(path.parent), str(root)]))
    name = path.stem if path.stem.isidentifier() and path.stem not in sys.stdlib_module_names else "awsrun_job"
    if _imports_relatively(path):
        package = _package(path)
        importlib.import_module(package)
        name = f"{package}.{name}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{job} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return Entry(getattr(module, function), getattr(module, batch) if batch else None)


def _imports_relatively(path: Path) -> bool:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return False  # to be raised where it is imported, with its line
    return any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))


def _package(path: Path) -> str:
    """The package that a file lies in, which can be imported from now on: the folders with an ``__init__.py``, else the
    file's own folder."""
    top = path.parent
    while (top / "__init__.py").is_file() and (top.parent / "__init__.py").is_file():
        top = top.parent
    sys.path.insert(0, str(top.parent))
    return ".".join(path.parent.relative_to(top.parent).parts)


def call(function: Function, trial: Trial) -> Any:
    """Run a trial; what the function returns, as plain values.

    Raises:
        TypeError: it returns something that is not plain.
        ValueError: it returns too much.
    """
    return _plain(function(trial, **_wanted(function, trial.params)), function.__name__)


def call_many(entry: Entry, trial: Trial, lines: Path) -> list[Any]:
    """Run a trial that takes a block of inputs; a result for each line.

    The function gets a dictionary per line: what the line says, the parameters that are the same for all, and the
    defaults of the job's entry function.

    Args:
        lines: JSONL.

    Raises:
        TypeError: it returns no list of plain values, or one of another length.
        ValueError: it returns too much.
    """
    if entry.many is None:
        raise TypeError("the job has no function for blocks of inputs")
    takes = list(inspect.signature(entry.one).parameters.values())[1:]
    common = {p.name: p.default for p in takes if p.default is not p.empty}
    common |= _wanted(entry.one, {name: value for name, value in trial.params.items() if name != LINES})
    rows = [{**common, **json.loads(line)} for line in lines.read_bytes().split(b"\n") if line]
    name = f"{entry.many.__name__}()"
    results = _plain(entry.many(trial, rows), entry.many.__name__)
    if not isinstance(results, list) or len(results) != len(rows):
        found = f"{len(results)} results" if isinstance(results, list) else f"a {type(results).__name__}"
        raise TypeError(f"{name} returned {found} for {len(rows)} inputs; it returns a list, one result for each")
    return results


def _plain(returned: Any, name: str) -> Any:
    """What a function returned, as plain values that fit into a trial's record."""
    result = plain(returned, f"{name}() returned")
    if (size := len(dump(result))) > LARGEST_RESULT:
        hint = "leave it in a file below trial.dir, or take fewer inputs at a time (--block)"
        raise ValueError(f"{name}() returned {size:,} bytes, and a result holds {LARGEST_RESULT:,}: {hint}")
    return result


def _wanted(function: Function, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Those of the parameters that the function takes."""
    takes = inspect.signature(function).parameters
    every = any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values())
    return params if every else {name: value for name, value in params.items() if name in takes}
