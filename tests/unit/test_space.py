"""The search space is a pure function of (space, seed, n), the same on every machine for ever."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awsrun.worker.protocol import space

GRID = {"search": "grid", "axes": {"lr": [0.1, 0.01, 0.001], "momentum": [0.5, 0.1]}, "set": {"epochs": 3}, "total": 6}
RANDOM = {
    "search": "random",
    "axes": {"opt": ["sgd", "adam"]},
    "ranges": {
        "lr": {"low": 1e-4, "high": 1e-1, "log": True},
        "layers": {"low": 1, "high": 8, "int": True},
        "weight": {"low": -1.0, "high": 1.0},
        "hidden": {"low": 1, "high": 1024, "log": True, "int": True},
    },
    "set": {"epochs": 3},
    "total": 1_000_000,
}

# Committed for good: a change here would give trials of runs already submitted other parameters.
U = [
    (0, 0, "lr", 0.413584255407929),
    (0, 1, "lr", 0.5523582978146968),
    (1008, 0, "lr", 0.8619473220190969),
    (0, 0, "momentum", 0.7303510651342164),
    (2**40, 999_999, "größe", 0.13596906170243261),
]
SEEDS = [(0, 0, 2980563218), (0, 1, 2932073426), (1008, 7, 2267697529)]
DRAWN = [
    (0, {"epochs": 3, "opt": "sgd", "lr": 0.0385338113, "layers": 4, "weight": 0.0837726586830374, "hidden": 87}),
    (1, {"epochs": 3, "opt": "sgd", "lr": 0.000224653228, "layers": 4, "weight": 0.4045933097715304, "hidden": 92}),
    (
        999_999,
        {"epochs": 3, "opt": "sgd", "lr": 0.0150190093, "layers": 4, "weight": -0.4924240120600507, "hidden": 44},
    ),
]


@pytest.mark.parametrize(("seed", "n", "name", "expected"), U)
def test_u_has_not_moved(seed: int, n: int, name: str, expected: float) -> None:
    assert space.u(seed, n, name) == expected


@pytest.mark.parametrize(("seed", "n", "expected"), SEEDS)
def test_trial_seeds_have_not_moved(seed: int, n: int, expected: int) -> None:
    assert space.trial_seed(seed, n) == expected


@pytest.mark.parametrize(("n", "expected"), DRAWN)
def test_random_parameters_have_not_moved(n: int, expected: dict[str, object]) -> None:
    assert space.params(RANDOM, 1008, n) == expected


def test_the_first_axis_of_a_grid_is_the_slowest() -> None:
    points = [space.params(GRID, 0, n) for n in range(6)]
    assert [(p["lr"], p["momentum"]) for p in points] == [
        (0.1, 0.5), (0.1, 0.1), (0.01, 0.5), (0.01, 0.1), (0.001, 0.5), (0.001, 0.1),
    ]  # fmt: skip
    assert all(p["epochs"] == 3 for p in points)
    assert list(points[0]) == ["epochs", "lr", "momentum"]


@pytest.mark.parametrize("n", [-1, 6])
def test_a_trial_outside_the_space_is_refused(n: int) -> None:
    with pytest.raises(IndexError):
        space.params(GRID, 0, n)


def test_a_search_that_is_no_function_of_n_is_refused() -> None:
    with pytest.raises(ValueError, match="bayes"):
        space.params({"search": "bayes", "total": 1}, 0, 0)


@given(st.integers(0, 2**63), st.integers(0, 10**9), st.text(max_size=20))
def test_u_stays_in_its_interval(seed: int, n: int, name: str) -> None:
    assert 0.0 <= space.u(seed, n, name) < 1.0


@given(st.integers(0, 999_999))
def test_random_values_stay_in_their_ranges(n: int) -> None:
    drawn = space.params(RANDOM, 7, n)
    assert 1e-4 <= drawn["lr"] <= 1e-1
    assert drawn["layers"] in range(1, 9)
    assert -1.0 <= drawn["weight"] <= 1.0
    assert drawn["hidden"] in range(1, 1025)
    assert drawn["opt"] in ("sgd", "adam")


def test_both_ends_of_a_whole_range_are_as_likely_as_the_rest() -> None:
    drawn = [space.scale({"low": 1, "high": 4, "int": True}, i / 1000) for i in range(1000)]
    assert [drawn.count(k) for k in (1, 2, 3, 4)] == [250, 250, 250, 250]


def test_a_log_range_spreads_evenly_over_the_decades() -> None:
    drawn = [float(space.params(RANDOM, 3, n)["lr"]) for n in range(3000)]
    per_decade = [sum(10.0**k <= lr < 10.0 ** (k + 1) for lr in drawn) for k in (-4, -3, -2)]
    assert all(900 < count < 1100 for count in per_decade), per_decade


def test_inputs_are_read_by_range_and_crossed_with_the_axes() -> None:
    lines = [json.dumps({"text": text}).encode() for text in ("one", "größer", "three")]
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line) + 1)
    files = {"in.jsonl": b"\n".join(lines) + b"\n", "in.index": b"".join(space.OFFSET.pack(o) for o in offsets)}
    asked = []

    def read(key: str, first: int, last: int) -> bytes:
        asked.append((key, last - first + 1))
        return files[key][first : last + 1]

    crossed = {
        "search": "inputs",
        "inputs": {"key": "in.jsonl", "index": "in.index"},
        "axes": {"beam": [1, 2]},
        "set": {"text": "overridden", "k": 5},
        "total": 6,
    }
    found = [space.params(crossed, 0, n, read) for n in range(6)]
    assert [(p["text"], p["beam"]) for p in found] == [
        ("one", 1), ("one", 2), ("größer", 1), ("größer", 2), ("three", 1), ("three", 2),
    ]  # fmt: skip
    assert all(p["k"] == 5 for p in found)
    assert max(size for _, size in asked) < 40, "a line must not cost reading the file"


def test_a_block_is_read_whole_and_its_parameters_only_name_it() -> None:
    lines = [json.dumps({"text": "größer" * n}).encode() + b"\n" for n in range(5)]
    ends = [0, *itertools.accumulate(map(len, lines))]
    files = {"in/r.jsonl": b"".join(lines), "in/r.index": b"".join(map(space.OFFSET.pack, ends))}
    reads = []

    def read(key: str, first: int, last: int) -> bytes:
        reads.append(key)
        return files[key][first : last + 1]

    inputs = {"key": "in/r.jsonl", "index": "in/r.index", "lines": 5, "block": 2}
    made = {"search": "inputs", "inputs": inputs, "axes": {"beam": [1, 2]}, "set": {"k": 5}, "total": 6}
    assert [space.block(made, n) for n in range(6)] == [(0, 2), (0, 2), (2, 4), (2, 4), (4, 5), (4, 5)]
    assert space.params(made, 0, 3, read) == {"k": 5, "beam": 2, "lines": "2..3 of r.jsonl"}
    assert reads == [], "the lines are not read for that"
    assert space.block_text(made, 3, read) == lines[2] + lines[3]
    assert space.block_text(made, 5, read) == lines[4]
    assert len(reads) == 4


def test_inputs_without_a_reader_are_refused() -> None:
    with pytest.raises(ValueError, match="reader"):
        space.params({"search": "inputs", "inputs": {}, "total": 1}, 0, 0)
