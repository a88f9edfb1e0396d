"""From what a user asks for (grid, ranges, fixed values, inputs) to a checked search space.

All is refused here, before a call is made: unknown names, wrong types, empty or doubled values, impossible ranges.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.submit.parameter import Parameter
from awsrun.jobs.submit.signature import Signature
from awsrun.worker.protocol.runs import dump
from awsrun.worker.protocol.samplers import SAMPLERS, Sampler
from awsrun.worker.protocol.space import blocked, grid_size

DRAWN = ("random", *SAMPLERS)
SEARCHES = ("grid", *DRAWN)
NOTED = 0.3
"""Seconds to choose a trial that are told of."""
LARGEST = 250_000  # bytes of JSON: a run's record, which holds the command, too, is one item of 400 KB at most
MOST = 1_000_000_000  # a sanity bound: nobody means more, and a slip of the keyboard may


def build(
    signature: Signature,
    grid: Mapping[str, Sequence[Any]] | None = None,
    ranges: Mapping[str, Sequence[Any]] | None = None,
    fixed: Mapping[str, Any] | None = None,
    lines: int | None = None,
    given_by_lines: Iterable[str] = (),
    search: str | None = None,
    trials: int | None = None,
    block: int | None = None,
) -> dict[str, Any]:
    """The space that awsrun.worker.protocol.space understands (without the inputs' S3 keys).

    Args:
        grid: name -> values; texts are parsed by the parameter's type.
        ranges: name -> (low, high) or (low, high, "log").
        fixed: name -> value, the same for every trial.
        lines: how many lines the inputs file has, None without one; ``given_by_lines``: the names each line sets.
        search: "grid", "random", "bayes" or "gp"; None: random if there are ranges.
        trials: how many; not for a grid.
        block: how many lines a trial takes at once; None: each line is a trial.

    Raises:
        AwsrunError: whatever does not fit; nothing was called.
    """
    grid, ranges, fixed = grid or {}, ranges or {}, fixed or {}
    _once([*grid, *ranges, *fixed, *given_by_lines])
    axes = {name: _values(signature.parameter(name), values) for name, values in grid.items()}
    limits = {name: _limits(signature.parameter(name), given) for name, given in ranges.items()}
    constant = {name: _value(signature.parameter(name), value) for name, value in fixed.items()}
    signature.require([*axes, *limits, *constant, *given_by_lines])
    chosen = _search(search, bool(limits), lines is not None)
    space: dict[str, Any] = {"search": chosen, "axes": axes, "set": constant}
    if chosen in DRAWN:
        if trials is None:
            raise AwsrunError(f"a {_called(chosen)} search needs to know how many trials to draw", hint="--trials 20")
        space |= {"ranges": limits, "total": trials}
        if chosen in SAMPLERS:
            space["total"] = _learnable(SAMPLERS[chosen], signature, axes, limits, trials)
    else:
        if trials is not None:
            raise AwsrunError(
                "--trials is for a search that draws or learns",
                "a grid's size follows from its values",
                "--search random",
            )
        if lines is not None and block is not None:
            space["inputs"] = {"lines": lines, "block": block}
        space["total"] = grid_size(axes) * (1 if lines is None else -(-lines // (block or 1)))
    if not 1 <= space["total"] <= MOST:
        raise AwsrunError(f"{space['total']:,} trials are not possible", f"between 1 and {MOST:,} are")
    if (size := len(dump(space))) > LARGEST:
        why = f"these take {size:,}: they are kept in the run's record"
        hint = "put what is long into a file: --inputs FILE.jsonl"
        raise AwsrunError(f"the values of all parameters may take {LARGEST:,} bytes", why, hint)
    return space


def describe(space: Mapping[str, Any]) -> str:
    """What will run, in one phrase: ``3 x 3 = 9 trials``."""
    total = space["total"]
    count = f"{total:,} trial{'' if total == 1 else 's'}"
    sizes = [len(values) for values in space.get("axes", {}).values()]
    if space["search"] == "random":
        return f"{count} drawn at random"
    if space["search"] in SAMPLERS:
        return f"{count} by {_called(space['search'])} search"
    if blocked(space):
        lines, block = space["inputs"]["lines"], space["inputs"]["block"]
        crossed = f" × {grid_size(space['axes']):,}" if space["axes"] else ""
        return f"{lines:,} lines{crossed} in {count} of up to {block:,}"
    if space["search"] == "inputs":
        sizes = [total // math.prod(sizes), *sizes]
    return f"{' × '.join(f'{size:,}' for size in sizes)} = {count}" if len(sizes) > 1 else count


def learning(space: Mapping[str, Any]) -> Iterator[str]:
    """What a search that learns needs, and what it takes."""
    sampler = SAMPLERS.get(space["search"])
    if sampler is None:
        return
    yield f"each trial learns from those that have ended; the workers' image must hold {sampler.packages}"
    slow = [f"{lag:g} s after {n:,}" for n, lag in sampler.lag.items() if n <= space["total"] and lag >= NOTED]
    if slow:
        yield f"to choose a trial takes its worker longer with each before it: about {', '.join(slow)}"


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """``NAME=TEXT`` arguments of an option as a mapping; a name given twice is refused."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise AwsrunError(f"{option} {text}: write it as NAME=VALUE")
        if name in found:
            raise AwsrunError(f"{option} {name} is given twice")
        found[name] = value
    return found


def listed(text: str) -> list[Any]:
    """``a,b`` or ``["a", "b"]`` as a list: JSON is for texts that hold commas."""
    if text.startswith("["):
        try:
            loaded = json.loads(text)
        except ValueError as error:
            raise AwsrunError(f"{text} is not a JSON list", str(error)) from error
        return list(loaded)
    return [part.strip() for part in text.split(",") if part.strip()]


def interval(text: str) -> tuple[str, ...]:
    """``LOW..HIGH`` or ``LOW..HIGH:log`` as (low, high[, "log"]).

    Raises:
        ValueError: it is neither.
    """
    span, _, scale = text.partition(":")
    low, dots, high = span.partition("..")
    if not (low and dots and high) or scale not in ("", "log"):
        raise ValueError(f"{text!r} is no range: write LOW..HIGH or LOW..HIGH:log, such as 1e-4..1e-1:log")
    return (low, high, scale) if scale else (low, high)


def check(signature: Signature, part: str, name: str, given: Any) -> None:
    """One parameter by itself.

    Args:
        part: where it is given: ``grid``, ``range`` or ``set``.

    Raises:
        AwsrunError: the job has none of that name, or it cannot be so.
    """
    known = signature.parameter(name)
    {"grid": _values, "range": _limits, "set": _value}[part](known, given)


def _search(wanted: str | None, ranges: bool, inputs: bool) -> str:
    if wanted not in (None, *SEARCHES):
        raise AwsrunError(f"unknown search {wanted!r}", "searches are grid, random, bayes and gp")
    if inputs:
        if ranges or wanted in DRAWN:
            raise AwsrunError(
                "inputs cannot be drawn at random", "each line is one trial", "--grid crosses lines with values"
            )
        return "inputs"
    if ranges and wanted == "grid":
        raise AwsrunError("a range has no grid points", hint="--search random --trials 20, or --grid NAME=V1,V2")
    return wanted or ("random" if ranges else "grid")


def _called(search: str) -> str:
    return SAMPLERS[search].called if search in SAMPLERS else search


def _learnable(
    sampler: Sampler,
    signature: Signature,
    axes: Mapping[str, list[Any]],
    limits: Mapping[str, Mapping[str, Any]],
    trials: int,
) -> int:
    """How many trials a search that learns has: no more than its space has points.

    Raises:
        AwsrunError: there is nothing to learn, or nothing to learn from.
    """
    if not signature.metric:
        raise AwsrunError(
            f"a {sampler.called} search needs to know which number tells good trials from bad ones",
            "the job names no metric",
            'awsrun.main(train, metric="val_accuracy", mode="max") at the end of the job file',
        )
    if not (axes or limits):
        raise AwsrunError(f"a {sampler.called} search needs something to vary", hint="--range lr=1e-4..1e-1:log")
    if len(signature.objectives) > sampler.metrics:
        why = f"the memory to choose a trial grows with each; at most {sampler.metrics} are"
        what = f"{len(signature.objectives)} metrics are not possible in a {sampler.called} search"
        raise AwsrunError(what, why, "--search bayes")
    if trials > sampler.trials:
        why = f"the time to choose a trial grows with those before it; at most {sampler.trials:,} are"
        others = (name for name, other in SAMPLERS.items() if trials <= other.trials)
        what = f"{trials:,} trials are not possible in a {sampler.called} search"
        raise AwsrunError(what, why, f"--search {next(others, 'random')}")
    if not all(at["int"] for at in limits.values()):
        return trials
    points = grid_size(axes) * math.prod(int(at["high"] - at["low"] + 1) for at in limits.values())
    return min(trials, points)


def _once(names: Sequence[str]) -> None:
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise AwsrunError(f"{doubled[0]} is given more than once", "a parameter is a grid, a range or one value")


def _value(parameter: Parameter, value: Any) -> Any:
    return parameter.parse(value) if isinstance(value, str) else parameter.check(value)


def _values(parameter: Parameter, values: Sequence[Any]) -> list[Any]:
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise AwsrunError(f"the grid of {parameter.name} is not a list of values", repr(values))
    checked = [_value(parameter, value) for value in values]
    if not checked:
        raise AwsrunError(f"the grid of {parameter.name} is empty", hint=f"--grid {parameter.name}=V1,V2")
    doubled = [value for i, value in enumerate(checked) if value in checked[:i]]
    if doubled:
        raise AwsrunError(f"the grid of {parameter.name} holds {doubled[0]} twice")
    return checked


def _limits(parameter: Parameter, given: Sequence[Any]) -> dict[str, Any]:
    if not parameter.numeric:
        raise AwsrunError(f"{parameter} has no range", "ranges are for int and float", f"--grid {parameter.name}=V1,V2")
    if isinstance(given, str) or len(given) not in (2, 3) or (len(given) == 3 and given[2] != "log"):
        raise AwsrunError(f"the range of {parameter.name} is not (low, high) or (low, high, 'log')", repr(given))
    low, high = (_value(parameter, end) for end in given[:2])
    log = len(given) == 3
    if not all(isinstance(end, int | float) for end in (low, high)):
        raise AwsrunError(f"the range of {parameter.name} is not made of numbers", repr(given))
    if not low < high:
        raise AwsrunError(f"the range of {parameter.name} is empty", f"{low} is not below {high}")
    if log and low <= 0:
        raise AwsrunError(f"the range of {parameter.name} cannot be logarithmic", f"{low} is not above 0")
    return {"low": low, "high": high, "log": log, "int": isinstance(low, int) and isinstance(high, int)}
