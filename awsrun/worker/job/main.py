"""``awsrun.main``: makes a job file a program of its own, that runs one trial here.

``python jobs/mnist.py --lr 0.1 --epochs 3`` takes its options from the function's signature, prints each report as a
line of a table and leaves artifacts in a new folder below ``./awsrun-out/``.
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
import time
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from awsrun.worker.job import jobfile, randomness
from awsrun.worker.job.trial import Trial

Function = Callable[..., Any]
_WIDTH = 10


def main(
    function: Function,
    *,
    metric: str | Mapping[str, str] = "",
    mode: str = "max",
    batch: Callable[[Trial, list[dict[str, Any]]], list[Any]] | None = None,
    arguments: Sequence[str] | None = None,
) -> dict[str, Any] | None:
    """Run a job's function once, here, with parameters from the command line.

    On a run's workers this is not called: ``awsrun submit`` reads metric and mode from the file's syntax tree.

    Args:
        function: takes a :class:`awsrun.Trial` and the parameters; their annotations and defaults make the options.
        metric: the name of the number that tells good trials from bad ones, in reports or the result; for several, a
            dictionary such as ``{"accuracy": "max", "seconds": "min"}`` of numbers in the result.
        mode: ``max`` or ``min``: which values of a single metric are better.
        batch: does the same for many sets of parameters: ``batch(trial, rows)`` returns a list, one result for each
            row.  With ``--inputs`` a run's workers call it with a block of lines at a time, all in one process, so that
            what it loads and keeps (a model) is loaded once per worker.
        arguments: instead of the command line's.

    Returns:
        what the function returned.

    Raises:
        ValueError: ``mode`` is neither ``max`` nor ``min``.
    """
    if isinstance(metric, Mapping):
        metric, mode = next(iter(metric.items()), ("", "max"))
    if mode not in ("max", "min"):
        raise ValueError(f"mode is 'max' or 'min', not {mode!r}")
    given = vars(parser(function).parse_args(arguments))
    seed, out = given.pop("_seed"), given.pop("_out")
    folder = Path(out or _default_folder())
    folder.mkdir(parents=True, exist_ok=True)
    table = Table(metric)
    randomness.seed(seed)
    began = time.monotonic()
    try:
        result = jobfile.call(function, Trial(0, given, seed, folder, table))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        raise SystemExit(130) from None
    if result is not None:
        print(f"result: {json.dumps(result)}")
    if metric and table.best is None and not _has(metric, result):
        print(f"no {metric}: on a run's workers this trial could not be told from others", file=sys.stderr)
    if table.best is not None:
        print(f"best {metric}: {_cell(table.pick(mode))} at step {table.at(mode)}")
    print(f"took {time.monotonic() - began:.1f} s; {_left(folder)}")
    return typing.cast("dict[str, Any] | None", result)


def _has(metric: str, result: Any) -> bool:
    """Whether a result says how good it is, as the workers look at it."""
    value = result.get(metric) if isinstance(result, dict) else result
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


def parser(function: Function) -> argparse.ArgumentParser:
    """The command line of a function's parameters: its first one is the trial."""
    made = argparse.ArgumentParser(description=(inspect.getdoc(function) or "").split("\n\n")[0] or None)
    hints = typing.get_type_hints(function)
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        required = parameter.default is parameter.empty
        options = _option(hints.get(parameter.name, str if required else type(parameter.default)))
        shown = "required" if required else f"default: {parameter.default}"
        options |= {"required": required, "default": None if required else parameter.default, "help": shown}
        flag = "--" + parameter.name.replace("_", "-")
        names = dict.fromkeys([flag, "--" + parameter.name])
        made.add_argument(*names, dest=parameter.name, **options)
    taken = {action.dest for action in made._actions}
    for name, kind, default, shown in (
        ("seed", int, 0, "of random, numpy and torch; default: 0"),
        ("out", str, None, "folder for artifacts; default: a new one below awsrun-out/"),
    ):
        flag = f"--awsrun-{name}" if name in taken else f"--{name}"
        made.add_argument(flag, dest=f"_{name}", type=kind, default=default, help=shown, metavar=name.upper())
    return made


def _option(kind: Any) -> dict[str, Any]:
    """argparse's keywords for a parameter of this type."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(inner for inner in typing.get_args(kind) if inner is not type(None))
    if typing.get_origin(kind) is typing.Literal:
        choices = typing.get_args(kind)
        return {"type": type(choices[0]), "choices": choices}
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    if kind in (int, float, str):
        return {"type": kind, "metavar": kind.__name__.upper()}
    return {"type": json.loads, "metavar": "JSON"}


class Table:
    """Prints reports as they come, a line each, with a heading whenever the names change.

    Attributes:
        values: the metric's, by step.
    """

    def __init__(self, metric: str) -> None:
        self._metric = metric
        self._names: list[str] = []
        self.values: dict[int, float] = {}

    def send(self, message: Mapping[str, Any]) -> None:
        if message["type"] != "report":
            return
        metrics = message["metrics"]
        if list(metrics) != self._names:
            self._names = list(metrics)
            print("  ".join(["step".rjust(4), *(name.rjust(_WIDTH) for name in self._names)]))
        cells = [_cell(value).rjust(max(_WIDTH, len(name))) for name, value in metrics.items()]
        print("  ".join([str(message["step"]).rjust(4), *cells]), flush=True)
        value = metrics.get(self._metric)
        if isinstance(value, (int, float)) and value == value:
            self.values[message["step"]] = float(value)

    def stopping(self) -> bool:
        return False

    def told_to_stop(self) -> bool:
        return False

    @property
    def best(self) -> float | None:
        """Any value of the metric, or None if it was never reported."""
        return next(iter(self.values.values()), None)

    def at(self, mode: str) -> int:
        """The step of the best value."""
        return (max if mode == "max" else min)(self.values, key=lambda step: self.values[step])

    def pick(self, mode: str) -> float:
        """The best value."""
        return self.values[self.at(mode)]


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _default_folder() -> str:
    job = Path(sys.argv[0]).stem or "job"
    return f"awsrun-out/{job}/{time.strftime('%Y%m%d-%H%M%S')}"


def _left(folder: Path) -> str:
    """Where the artifacts are; an empty folder is taken away again."""
    if any(folder.iterdir()):
        return f"artifacts in {folder}"
    folder.rmdir()
    return "no artifacts"
