"""Experiments as files: every mistake is named with its line, and a run printed as one is submitted as the same."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.repeat import as_file
from awsrun.jobs.site import Site
from awsrun.jobs.submit import experiment_file
from awsrun.jobs.submit.experiment import Experiment
from awsrun.jobs.submit.request import Request, prepare
from awsrun.spec.document import read, written
from awsrun.spec.load import parse
from awsrun.worker.protocol.runs import Run
from awsrun.worker.protocol.space import params

ROOT = Path(__file__).parents[2]
JOB = """
from typing import Any, Literal
import awsrun
def train(trial, lr: float = 0.01, layers: int = 2, name: str = "a", loss: Literal["l1", "l2"] = "l1", x: Any = None):
    ...
awsrun.main(train, metric="accuracy")
"""
GOOD = """\
job: job.py
stack: lab
grid:
  lr: [0.1, 1e-2]
  name: ["1e-3", "null", "on", x]
range: {layers: 1..8}
set:
  loss: l2
search: random
trials: 20
timeout: 1h30m
until: {accuracy: 0.98}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "job.py").write_text(JOB)
    return tmp_path


def load(text: str) -> Experiment:
    Path("jobs/x.yaml").write_text(text)
    return experiment_file.load("jobs/x.yaml")


def test_a_file_is_what_the_options_would_be(folder: Path) -> None:
    found = load(GOOD)
    assert found == Experiment(
        job="jobs/job.py", stack="lab", grid={"lr": [0.1, 0.01], "name": ["1e-3", "null", "on", "x"]},
        range={"layers": ["1", "8"]}, set={"loss": "l2"}, search="random", trials=20, timeout=5400.0,
        until={"accuracy": 0.98},
    )  # fmt: skip
    assert prepare(found).total == 20


@pytest.mark.parametrize(
    ("reason", "old", "new", "lines"),
    [
        ("an unknown key", "trials:", "trails:", ["x.yaml:10: trails: unknown key; did you mean 'trials'?"]),
        ("a wrong choice", "search: random", "search: bays", ["x.yaml:9: search: 'bays' is not allowed; did you mean"]),
        ("no duration", "1h30m", "soon", ["x.yaml:11: timeout: 'soon' is no duration: write 90"]),
        ("a range that is none", "1..8", "1-8", ["x.yaml:6: range.layers: '1-8' is no range: write LOW..HIGH"]),
        ("no job", "job: job.py\n", "", ["x.yaml:1: job: missing"]),
        (
            "the job's file",
            "job.py",
            "jab.py",
            ["x.yaml:1: job: there is no job file jobs/jab.py; did you mean jobs/j"],
        ),
        ("text where a list is wanted", "[0.1, 1e-2]", "0.1", ["x.yaml:4: grid.lr: must be a list; this is 0.1"]),
        ("a key written twice", "trials: 20", "trials: 20\nstack: b", ["x.yaml:11: stack: written twice: first on l"]),
        (
            "a parameter's name",
            "  lr:",
            "  lrr:",
            ["x.yaml:4: grid.lrr: job.py has no parameter 'lrr'; train() takes lr: float, layers: int, name: str"],
        ),
        ("a parameter's value", "loss: l2", "loss: l3", ["x.yaml:8: set.loss: loss=l3: 'l3' is not one of 'l1' or 'l"]),
        ("an empty range", "1..8", "8..1", ["x.yaml:6: range.layers: the range of layers is empty; 8 is not below 1"]),
        (
            "rows of inputs",
            "trials: 20",
            "inputs:\n- {lr: 1}\n- {lr: high}",
            ["x.yaml:12: inputs[1].lr: lr=high: 'high' is not a float"],
        ),
    ],
    ids=lambda case: case if isinstance(case, str) and " " in case else "",
)
def test_a_mistake_is_named_with_its_line(folder: Path, reason: str, old: str, new: str, lines: list[str]) -> None:
    assert old in GOOD
    with pytest.raises(AwsrunError) as caught:
        load(GOOD.replace(old, new, 1))
    said = caught.value.why.splitlines()
    assert len(said) == len(lines) and all(f"jobs/{line}" in one for line, one in zip(lines, said, strict=True)), said


def test_all_mistakes_come_at_once_in_the_order_of_the_file(folder: Path) -> None:
    with pytest.raises(AwsrunError) as caught:
        load(GOOD.replace("  lr:", "  lrr:").replace("1..8", "1-8").replace("loss: l2", "loss: l3").replace("1h", "x"))
    assert caught.value.what == "jobs/x.yaml has 4 mistakes"
    assert [line.split(":")[1] for line in caught.value.why.splitlines()] == ["4", "6", "8", "11"]


def test_what_is_no_experiment_at_all(folder: Path) -> None:
    for text, says in (
        ("", "x.yaml:1: the file is empty: an experiment starts with `job: FILE.py`"),
        ("- a\n", "x.yaml:1: an experiment is lines such as"),
        ("stack: a\nresources: {}\n", "is the spec of a stack, no experiment"),
    ):
        with pytest.raises(AwsrunError, match=says):
            load(text)
    with pytest.raises(AwsrunError, match="is an experiment, no spec of a stack"):
        parse(GOOD, "x.yaml", {})
    with pytest.raises(AwsrunError, match=r"did you mean jobs/x\.yaml\?"):
        experiment_file.load("jobs/y.yaml")


def test_options_override_the_file(folder: Path) -> None:
    Path("jobs/x.yaml").write_text(GOOD)
    found = experiment_file.build("jobs/x.yaml", {"set": {"lr": "0.5"}, "trials": 3})
    assert ("lr" in found.grid, found.set, found.trials) == (False, {"loss": "l2", "lr": "0.5"}, 3)


SUBMITS: list[dict[str, Any]] = [
    {"grid": {"lr": ["0.1", "1e-5"], "name": ["1e-3", "on", "~", "a: b", "é\n"]}, "set": {"x": [1, {"a": None}]}},
    {"range": {"lr": (1e-5, 1, "log"), "layers": (1, 9)}, "grid": {"loss": ["l1", "l2"]}, "trials": 9, "seed": 3},
    {"grid": {"lr": [1, 2]}, "search": "random", "trials": 4},
    {"range": {"lr": (0, 1)}, "search": "bayes", "trials": 12, "workers": 2, "until": {"accuracy": 1}},
    {
        "set": {"lr": 3},
        "timeout": "90s",
        "retries": 2,
        "keep_going": True,
        "max_time": 0.5,
        "max_cost": 2,
        "stack": "b",
    },
    {"range": {"lr": (0, 1)}, "search": "gp", "trials": 9},
    {"range": {"lr": (0, 1)}, "trials": 9, "prune": {"eta": 4}},
    {"metric": {"accuracy": "max", "loss": "min"}, "vcpus": 2, "memory": "4 GB", "gpus": 1, "checkpoints": "best"},
    {"inputs": [{"name": "q: 1", "lr": 1}, {"name": "\u2028"}], "grid": {"layers": [1, 2]}},
]


@pytest.mark.parametrize("asked", SUBMITS, ids=lambda asked: ", ".join(asked))
def test_a_run_as_a_file_is_the_same_run_again(folder: Path, asked: dict[str, Any]) -> None:
    first = prepare(Experiment(job="jobs/job.py", **asked))
    run, site = stored(first)
    Path("again.yaml").write_text(text := as_file(site, run, None))
    again = prepare(experiment_file.load("again.yaml"))
    assert (again.space, again.seed, again.limits, again.workers, again.asked) == (
        first.space, first.seed, first.limits, first.workers, first.asked,
    ), text  # fmt: skip
    assert again.inputs == first.inputs
    if first.space["search"] in ("grid", "random"):
        for n in range(first.total):
            assert params(again.space, again.seed, n) == params(first.space, first.seed, n)


def test_many_inputs_go_into_a_file_beside_it(folder: Path) -> None:
    rows = [{"name": "x" * 300, "lr": n} for n in range(500)]
    first = prepare(Experiment(job="jobs/job.py", inputs=rows))
    run, site = stored(first)
    with pytest.raises(AwsrunError, match="too many to print"):
        as_file(site, run, None)
    path = Path("jobs/again.yaml")
    path.write_text(as_file(site, run, path))
    assert "job: job.py\ninputs: again-inputs.jsonl\n" in path.read_text()
    assert prepare(experiment_file.load(path)).inputs == first.inputs


def test_the_job_is_found_from_elsewhere_on_the_same_machine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside git the project is the job's folder, which the name in the record is relative to."""
    run, site = stored(prepare(Experiment(job="jobs/job.py")))
    run = replace(run, job="job.py", provenance={"root": str(folder / "jobs")})
    assert "\njob: jobs/job.py\n" in as_file(site, run, None)
    assert "\njob: job.py\n" in as_file(site, run, Path("jobs/again.yaml"))
    monkeypatch.chdir("jobs")
    assert "\njob: job.py\n" in as_file(site, run, None)
    gone = replace(run, job="src/gone.py")
    assert "\njob: src/gone.py\n" in as_file(site, gone, None)


def test_the_schema_is_committed_and_right() -> None:
    schema = experiment_file.schema()
    committed = json.loads((ROOT / "experiment.schema.json").read_text(encoding="utf-8"))
    assert committed == schema, "the model changed: awsrun schema --experiment -o experiment.schema.json"
    check = jsonschema.Draft202012Validator(schema)
    check.check_schema(schema)
    for path in (ROOT / "jobs").glob("*.yaml"):
        assert not list(check.iter_errors(read(path.read_text(), "x").data))
        assert prepare(experiment_file.load(path)).total == 9
    assert not list(check.iter_errors(read(GOOD, "x").data))
    for wrong in ("trails: 3", "search: bays", "timeout: soon", "grid: {lr: 1}", "inputs: [3]", "retries: -1"):
        assert list(check.iter_errors({"job": "a.py", **read(wrong, "x").data})), wrong
    assert list(check.iter_errors({"grid": {}})), "no job"


def test_texts_that_look_like_something_else_stay_texts() -> None:
    texts = ["1", "1e3", ".5", "on", "no", "null", "~", "", "2012-10-17", "22:22", "true", "0x1f", "1_000", "a: b", "#"]
    assert read(written({"a": texts}), "x").data == {"a": texts}
    numbers = [1e-5, 1e22, 0.1, 1.0, -3, 10**20, True, None]
    back = read(written(numbers), "x").data
    assert back == numbers and list(map(type, back)) == list(map(type, numbers))


class FakeS3:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, service: str) -> FakeS3:
        return self

    def get_object(self, **_: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self.data)}


def stored(request: Request) -> tuple[Run, Site]:
    """The run's record as it is read back from the table, and a site that holds its inputs."""
    space = {**request.space, **({"inputs": {"key": "k", "index": "i"}} if request.inputs else {})}
    run = Run(
        run="job-1", job="jobs/job.py", function="train", space=space, total=request.total, seed=request.seed,
        requirements=request.requirements, limits=request.limits, asked=request.asked,
    )  # fmt: skip
    site: Any = Site("lab", None, FakeS3(request.inputs.lines if request.inputs else b""), {})  # type: ignore[arg-type]
    return Run.from_items(*json.loads(json.dumps(run.to_items()))), site
