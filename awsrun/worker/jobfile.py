"""Loads a user's job file as Python runs a script, without running its ``__main__`` part; and calls its function."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from awsrun.worker.trial import Trial, plain

Function = Callable[..., Any]


def load(root: Path, job: str, function: str) -> Function:
    """The entry function of a job file.

    Args:
        root: the project's; it and the job's folder can be imported from.
        job: the file, relative to ``root``.

    Raises:
        Exception: whatever importing the job raises; AttributeError if the function is not there.
    """
    path = root / job
    sys.path[:0] = list(dict.fromkeys([str(path.parent), str(root)]))
    name = path.stem if path.stem.isidentifier() and path.stem not in sys.stdlib_module_names else "awsrun_job"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{job} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    found: Function = getattr(module, function)
    return found


def call(function: Function, trial: Trial) -> Any:
    """Run a trial; what the function returns, as plain values.

    Raises:
        TypeError: it returns something that is not plain.
    """
    takes = inspect.signature(function).parameters
    every = any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values())
    wanted: Mapping[str, Any] = trial.params if every else {k: v for k, v in trial.params.items() if k in takes}
    return plain(function(trial, **wanted), f"{function.__name__}() returned")
