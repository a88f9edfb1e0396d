"""The search space: trial n's parameters as a pure function of (space, seed, n).

Nothing about a trial is stored before it starts: a million-trial run is one record that holds the space, and every
worker and every laptop computes the same parameters for the same n. Standard library only: this file travels into the
container.

A space is a JSON object::

    {"search": "grid" | "random" | "inputs" | "bayes" | "gp",
     "axes":   {name: [value, ...]},                                    # in the order given; the first is the slowest
     "ranges": {name: {"low": x, "high": y, "log": bool, "int": bool}}, # not of a grid; both ends belong to the range
     "set":    {name: value},                                           # the same for every trial
     "inputs": {"key": K, "index": I,                                   # inputs only: S3 keys of JSONL and index
                "lines": L, "block": B},                                # in blocks only
     "total":  N}                                                       # how many trials

With ``bayes`` and ``gp``, parameters depend on the trials before: see :mod:`awsrun.worker.search`.

With inputs, line L is crossed with the axes: the lines are slowest. The index is (lines + 1) big-endian 64-bit byte
offsets, so that any line costs two small ranged reads, however long the file is.

With a ``block``, a trial takes so many lines at once. Its parameters then only name them: lines may be long, and a
trial's record is not (see :func:`block`).
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Space = Mapping[str, Any]
ReadRange = Callable[[str, int, int], bytes]
"""(S3 key, first byte, last byte inclusive) -> those bytes."""

_BITS = 53  # what a double's mantissa holds: every value of u is exact
OFFSET = struct.Struct(">Q")
LINES = "lines"  # the name of a block in its trial's parameters


def params(space: Space, seed: int, n: int, read: ReadRange | None = None) -> dict[str, Any]:
    """The parameters of trial ``n`` (0-based).

    Args:
        read: reads a byte range of an S3 object; needed for a space with inputs only.

    Raises:
        IndexError: n is outside the space.
        ValueError: the space's search is not a function of n, or inputs without ``read``.
    """
    if not 0 <= n < space["total"]:
        raise IndexError(f"trial {n} is outside 0..{space['total'] - 1}")
    fixed = dict(space.get("set") or {})
    axes: Mapping[str, list[Any]] = space.get("axes") or {}
    search = space["search"]
    if search == "grid":
        return fixed | point(axes, n)
    if search == "random":
        drawn = {name: values[int(u(seed, n, name) * len(values))] for name, values in axes.items()}
        ranges: Mapping[str, Mapping[str, Any]] = space.get("ranges") or {}
        return fixed | drawn | {name: scale(limits, u(seed, n, name)) for name, limits in ranges.items()}
    if search == "inputs":
        if read is None:
            raise ValueError("a space with inputs needs a reader for the inputs file")
        line, place = divmod(n, grid_size(axes))
        if blocked(space):
            first, end = block(space, n)
            name = space["inputs"]["key"].rpartition("/")[2]
            return fixed | point(axes, place) | {LINES: f"{first}..{end - 1} of {name}"}
        return fixed | point(axes, place) | input_line(space["inputs"], line, read)
    raise ValueError(f"a {search!r} search is not a function of the trial's number")


def u(seed: int, n: int, name: str) -> float:
    """A uniform number in [0, 1), the same on every machine and Python version."""
    digest = hashlib.blake2b(f"{seed}:{n}:{name}".encode(), digest_size=8, person=b"awsrun.u").digest()
    return float(int.from_bytes(digest, "big") >> (64 - _BITS)) / (1 << _BITS)


def trial_seed(seed: int, n: int) -> int:
    """The seed of trial ``n``'s own randomness, in [0, 2**32): what random, numpy and torch all take."""
    digest = hashlib.blake2b(f"{seed}:{n}".encode(), digest_size=4, person=b"awsrun.seed").digest()
    return int.from_bytes(digest, "big")


def grid_size(axes: Mapping[str, Sequence[Any]]) -> int:
    """How many points the axes span: 1 without any axis."""
    return math.prod(len(values) for values in axes.values())


def scale(limits: Mapping[str, Any], at: float) -> float | int:
    """The value of a range at the place ``at`` in [0, 1)."""
    low, high, log = limits["low"], limits["high"], bool(limits.get("log"))
    if limits.get("int"):
        # each integer gets its own interval [k, k + 1), so that both ends are as likely as their neighbours
        value = _log_between(low, high + 1, at) if log else low + at * (high + 1 - low)
        return int(min(max(math.floor(value), low), high))
    # log and exp may differ in the last bit between C libraries: nine digits are the same everywhere
    drawn = float(f"{_log_between(low, high, at):.9g}") if log else low + at * (high - low)
    return float(min(max(drawn, low), high))


def input_line(inputs: Mapping[str, Any], line: int, read: ReadRange) -> dict[str, Any]:
    """Line ``line`` (0-based) of an inputs file: two ranged reads."""
    value: dict[str, Any] = json.loads(_text(inputs, line, line + 1, read))
    return value


def blocked(space: Space) -> bool:
    """Whether each trial takes a block of lines."""
    return "block" in (space.get("inputs") or {})


def block(space: Space, n: int) -> tuple[int, int]:
    """The lines of trial ``n``: the first, and the one behind the last."""
    inputs = space["inputs"]
    first = n // grid_size(space.get("axes") or {}) * inputs["block"]
    return first, min(first + inputs["block"], inputs["lines"])


def block_text(space: Space, n: int, read: ReadRange) -> bytes:
    """The lines of trial ``n`` as JSONL: two ranged reads."""
    return _text(space["inputs"], *block(space, n), read)


def _text(inputs: Mapping[str, Any], first: int, end: int, read: ReadRange) -> bytes:
    """Lines ``first`` to ``end - 1``."""
    index = read(inputs["index"], first * OFFSET.size, (end + 1) * OFFSET.size - 1)
    (start,), (stop,) = OFFSET.unpack_from(index), OFFSET.unpack_from(index, len(index) - OFFSET.size)
    return read(inputs["key"], start, stop - 1)


def point(axes: Mapping[str, Sequence[Any]], n: int) -> dict[str, Any]:
    """Point n of the grid, names in the axes' order; the last axis turns fastest."""
    picked = []
    for name, values in reversed(list(axes.items())):
        n, i = divmod(n, len(values))
        picked.append((name, values[i]))
    return dict(reversed(picked))


def _log_between(low: float, high: float, at: float) -> float:
    return math.exp(math.log(low) + at * (math.log(high) - math.log(low)))
