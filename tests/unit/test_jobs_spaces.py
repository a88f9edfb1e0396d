"""What a user asks for becomes a checked space, or is refused before anything is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.submit import signature, spaces, submission
from awsrun.jobs.submit.experiment import Experiment
from awsrun.jobs.submit.request import Request, prepare

JOB = "def train(trial, lr: float = 0.01, momentum: float = 0.5, layers: int = 2, name: str = 'a'): ..."


@pytest.fixture
def job(tmp_path: Path) -> signature.Signature:
    (tmp_path / "job.py").write_text(JOB)
    return signature.read(tmp_path / "job.py")


def test_a_grid_keeps_the_users_order(job: signature.Signature) -> None:
    space = spaces.build(job, {"lr": ["0.1", "0.01", "0.001"], "momentum": [0.5, 0.1, 0.05]}, fixed={"layers": "3"})
    assert space == {
        "search": "grid",
        "axes": {"lr": [0.1, 0.01, 0.001], "momentum": [0.5, 0.1, 0.05]},
        "set": {"layers": 3},
        "total": 9,
    }
    assert spaces.describe(space) == "3 × 3 = 9 trials"


def test_a_range_makes_the_search_random(job: signature.Signature) -> None:
    space = spaces.build(job, ranges={"lr": ("1e-4", "1e-1", "log"), "layers": ("1", "8")}, trials=20)
    assert space["search"] == "random"
    assert space["ranges"] == {
        "lr": {"low": 1e-4, "high": 1e-1, "log": True, "int": False},
        "layers": {"low": 1, "high": 8, "log": False, "int": True},
    }
    assert spaces.describe(space) == "20 trials drawn at random"


def test_nothing_given_is_one_trial(job: signature.Signature) -> None:
    space = spaces.build(job)
    assert space["total"] == 1
    assert spaces.describe(space) == "1 trial"


def test_lines_are_crossed_with_the_grid(job: signature.Signature) -> None:
    space = spaces.build(job, {"lr": [0.1, 0.2]}, lines=3, given_by_lines=["name"])
    assert (space["search"], space["total"]) == ("inputs", 6)
    assert spaces.describe(space) == "3 × 2 = 6 trials"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"grid": {"lrr": [0.1]}}, "has no parameter 'lrr'"),
        ({"fixed": {"epoch": 1}}, "has no parameter 'epoch'"),
        ({"ranges": {"rate": (0, 1)}, "trials": 1}, "has no parameter 'rate'"),
        ({"grid": {"lr": []}}, "the grid of lr is empty"),
        ({"grid": {"lr": "0.1"}}, "is not a list of values"),
        ({"grid": {"lr": ["x"]}}, "lr=x: 'x' is not a float"),
        ({"grid": {"lr": [0.1, "0.10"]}}, "holds 0.1 twice"),
        ({"grid": {"lr": [0.1]}, "fixed": {"lr": 0.1}}, "lr is given more than once"),
        ({"ranges": {"lr": (0, 1)}}, "how many trials"),
        ({"ranges": {"lr": (1, 0)}, "trials": 1}, "the range of lr is empty"),
        ({"ranges": {"lr": (0.0, 1.0, "log")}, "trials": 1}, "cannot be logarithmic"),
        ({"ranges": {"lr": (1.0, 2.0, "cube")}, "trials": 1}, "is not (low, high)"),
        ({"ranges": {"name": ("a", "b")}, "trials": 1}, "has no range"),
        ({"ranges": {"lr": (0, 1)}, "search": "grid"}, "no grid points"),
        ({"search": "random"}, "how many trials"),
        ({"search": "annealing"}, "unknown search 'annealing'"),
        ({"search": "bayes", "ranges": {"lr": (0, 1)}}, "how many trials"),
        ({"search": "bayes", "ranges": {"lr": (0, 1)}, "trials": 3}, "tells good trials from bad"),
        ({"search": "gp", "ranges": {"lr": (0, 1)}}, "a Gaussian-process search needs to know how many trials"),
        ({"trials": 3}, "--trials is for a search that draws or learns"),
        ({"search": "random", "trials": 0}, "0 trials are not possible"),
        ({"fixed": {"name": "a" * 250_000}}, "the values of all parameters may take 250,000 bytes"),
        ({"search": "random", "trials": 3, "lines": 2}, "cannot be drawn at random"),
    ],
)
def test_what_does_not_fit_is_refused(job: signature.Signature, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(AwsrunError) as caught:
        spaces.build(job, **asked)
    assert says in caught.value.what


def test_a_range_of_an_untyped_parameter_needs_numbers(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text("def f(trial, x=None): ...")
    job = signature.read(tmp_path / "job.py")
    with pytest.raises(AwsrunError, match="not made of numbers"):
        spaces.build(job, ranges={"x": ("a", "b")}, trials=1)


def test_names_and_values_are_taken_apart() -> None:
    assert spaces.pairs(["lr=0.1,0.2", "name=a=b"], "--grid") == {"lr": "0.1,0.2", "name": "a=b"}
    assert spaces.listed("0.1, 0.2") == ["0.1", "0.2"]
    assert spaces.listed('["a,b", "c"]') == ["a,b", "c"]
    assert spaces.listed("") == []
    assert spaces.interval("1e-4..1e-1:log") == ("1e-4", "1e-1", "log")
    assert spaces.interval("-1..1") == ("-1", "1")


@pytest.mark.parametrize("text", ["lr", "=1", "a b=1"])
def test_an_option_without_name_and_value_is_refused(text: str) -> None:
    with pytest.raises(AwsrunError, match="NAME=VALUE"):
        spaces.pairs([text], "--set")


def test_an_option_given_twice_is_refused() -> None:
    with pytest.raises(AwsrunError, match="--grid lr is given twice"):
        spaces.pairs(["lr=1", "lr=2"], "--grid")


@pytest.mark.parametrize("text", ["1", "1..", "..2", "1..2:cube", "1-2"])
def test_a_range_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(AwsrunError, match=r"range\.lr: .* is no range: write LOW\.\.HIGH"):
        Experiment(job="job.py", range={"lr": text})


def test_a_bayesian_search_has_no_more_trials_than_points(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(
        JOB + '\nif __name__ == "__main__":\n    import awsrun\n    awsrun.main(train, metric="y")\n'
    )
    job = signature.read(tmp_path / "job.py")
    grid, ranges = {"name": ["a", "b"]}, {"layers": (1, 8)}
    space = spaces.build(job, grid, ranges, search="bayes", trials=100)
    assert (space["search"], space["total"]) == ("bayes", 16)
    assert spaces.describe(space) == "16 trials by Bayesian search"
    assert spaces.build(job, grid, {**ranges, "lr": (0.1, 1.0)}, search="bayes", trials=100)["total"] == 100
    for asked, says in (({}, "something to vary"), ({"ranges": {"lr": (0.1, 1.0)}, "trials": 10_001}, "10,001 trials")):
        with pytest.raises(AwsrunError, match=says):
            spaces.build(job, **{"search": "bayes", "trials": 5, **asked})


def test_a_gaussian_process_is_refused_where_it_is_of_no_use(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(JOB + "\nimport awsrun\nawsrun.main(train, metric='y')\n")

    def prepared(**asked: Any) -> Request:
        return prepare(Experiment(job=tmp_path / "job.py", range={"lr": (0.0, 1.0)}, search="gp", **asked))

    told = list(spaces.learning(prepared(trials=500).space))
    assert told[0].endswith("the workers' image must hold optuna>=5, scipy and torch")
    assert told[1].endswith("about 0.4 s after 300, 1 s after 500")
    assert len(list(spaces.learning(prepared(trials=100).space))) == 1
    assert spaces.describe(prepared(trials=100).space) == "100 trials by Gaussian-process search"
    for asked, what, hint in (
        ({"trials": 1001}, "1,001 trials are not possible in a Gaussian-process search", "--search bayes"),
        ({"trials": 10_001}, "10,001 trials", "--search random"),
        ({"trials": 9, "metric": dict.fromkeys("abcd", "min")}, "4 metrics are not possible", "--search bayes"),
        ({"trials": 9, "prune": True}, "--prune does not go with a Gaussian-process search", "--search bayes"),
    ):
        with pytest.raises(AwsrunError) as caught:
            prepared(**asked)
        assert what in caught.value.what and caught.value.hint == hint


def test_a_bayesian_search_has_a_worker_for_each_five_trials(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(JOB + "\nimport awsrun\nawsrun.main(train, metric='y')\n")
    queue = {"vcpus": 1, "max_vcpus": 256}

    def workers(**asked: Any) -> int:
        experiment = Experiment(job=tmp_path / "job.py", range={"lr": (0.0, 1.0)}, **asked)
        return submission.fitting(prepare(experiment), queue)

    assert workers(search="bayes", trials=40) == 8
    assert workers(search="bayes", trials=4) == 1
    assert workers(search="bayes", trials=40, workers=16) == 16
    assert [workers(search=search, trials=1000) for search in ("bayes", "gp")] == [200, 64]
    assert workers(trials=40) == 40
