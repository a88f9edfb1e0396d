"""One model for what a user asks for: whatever builds it, the same is read and the same is refused."""

from __future__ import annotations

from typing import Any

import pytest

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.submit.experiment import Experiment, Options
from awsrun.jobs.submit.fields import seconds

ONE: dict[str, Any] = {"job": "job.py"}


def test_the_options_of_submit_are_the_fields() -> None:
    assert set(Options.__annotations__) == set(Experiment.model_fields) - {"job"}


@pytest.mark.parametrize(
    ("text", "value"),
    [(90, 90), ("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400), ("1 d", 86400)],
)
def test_durations(text: Any, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "soon", "1h30", "30 30", "1h x", "3w"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(AwsrunError, match="is no duration"):
        Experiment(**ONE, timeout=text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"grdi": {"lr": [1]}}, "grdi: unknown key; did you mean 'grid'?"),
        ({"grid": {"lr": 0.1}}, "grid.lr: must be a list; this is 0.1"),
        ({"grid": [0.1]}, "grid: must be `key: value` lines; this is a list"),
        ({"search": "bays"}, "search: 'bays' is not allowed; did you mean 'bayes'?"),
        ({"workers": 0}, "workers: must be at least 1; this is 0"),
        ({"workers": True}, "workers: must be a whole number; this is true"),
        ({"retries": 1.5}, "retries: must be a whole number; this is 1.5"),
        ({"inputs": 3}, "inputs: a .json, .jsonl or .csv file, or a list of rows such as {lr: 0.1}; this is 3"),
        ({"keep_going": "yes"}, "keep_going: must be true or false; this is 'yes'"),
    ],
)
def test_a_mistake_is_named(given: dict[str, Any], says: str) -> None:
    with pytest.raises(AwsrunError) as caught:
        Experiment(**ONE, **given)
    assert caught.value.what == says


def test_all_mistakes_come_at_once() -> None:
    with pytest.raises(AwsrunError) as caught:
        Experiment(retries=-1, grdi={})  # type: ignore[call-arg]
    assert caught.value.what == "the experiment has 3 mistakes"
    assert {line.split(":")[0] for line in caught.value.why.splitlines()} == {"job", "retries", "grdi"}


def test_what_was_asked_is_plain_and_without_defaults() -> None:
    asked = Experiment(job="a.py", seed=3, stack="lab", timeout="1m", until={"loss": 1}, retries=0).asked()  # type: ignore[arg-type]
    assert asked == {"stack": "lab", "timeout": "1m", "until": {"loss": 1.0}}


def test_values_of_numpy_and_pandas_are_pythons_own() -> None:
    numpy, pandas = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    frame = pandas.DataFrame({"lr": [0.5, 0.25], "k": [None, 3], "name": ["a", None]})
    made = Experiment(**ONE, grid={"x": numpy.linspace(0, 1, 3)}, set={"y": numpy.int64(3)}, inputs=frame)  # type: ignore[arg-type]
    assert made.grid == {"x": [0.0, 0.5, 1.0]} and type(made.set["y"]) is int
    assert made.inputs == [{"lr": 0.5, "name": "a"}, {"lr": 0.25, "k": 3}], "an empty cell is the job's default"
    assert [type(row["lr"]) for row in made.inputs] == [float, float]  # type: ignore[union-attr, call-overload, index]


def test_options_replace_an_experiments_own() -> None:
    first = Experiment(**ONE, grid={"lr": [1, 2], "b": [3], "c": [4]}, set={"d": 4}, seed=5, until={"y": 1.0})
    other = first.changed({"set": {"lr": 9}, "grid": {"b": [5]}, "seed": 6, "until": {"z": 2.0}})
    assert (other.set, other.seed, other.until) == ({"d": 4, "lr": 9}, 6, {"z": 2.0})
    assert list(other.grid.items()) == [("b", [5]), ("c", [4])], "a parameter keeps its place"
    assert first.changed({}) == first
