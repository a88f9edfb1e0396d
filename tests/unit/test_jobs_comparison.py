"""Runs side by side: what differs, who is best, how the code changed."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from typing import Any

import pytest
from jobs_runs import GRID, a_run, store_with, trials_of

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.reading.costs import costs
from awsrun.jobs.reading.reader import Reader
from awsrun.jobs.reading.status import derive
from awsrun.jobs.views import history
from awsrun.jobs.views.comparison import Side, code_changes, compare, side
from awsrun.jobs.workers.stages import Stages
from awsrun.worker.protocol.records import Worker

AT = 1_795_444_320.0
AWS = {"context": "aws", "hourly": 0.6, "commit": "a" * 40, "dirty": [], "command": "awsrun submit job.py"}


def a_side(better: float = 0.0, **changes: Any) -> Side:
    run = a_run(**{"state": "done", "ended_ms": int(1000 * AT) + 60_000, "provenance": AWS, **changes})
    trials = trials_of(run, lambda p: p["lr"] + better)
    reader = Reader(store_with(replace(run, state="running"), trials), run.run)
    status = derive(run, reader.tally(run), Stages(), AT + 99, AT)
    return side(run, status, costs(run, [Worker(0, 1000, beat=239, dead=True)], int(1000 * AT)), AT + 99)


def test_only_what_differs_is_listed_and_the_best_wins() -> None:
    changed = {**GRID, "axes": {"lr": [0.1, 0.01, 0.001], "momentum": [0.9, 0.1]}, "set": {"epochs": 9}}
    other = {**AWS, "dirty": ["job.py", "lib.py"], "command": "awsrun submit job.py --set epochs=9"}
    found = compare([a_side(), a_side(0.2, wanted=changed, provenance=other, code_hash="ff")])
    assert found.parameters == ["momentum", "epochs"]
    assert found.settings == ["commit", "changed files", "code", "command"]
    assert [one.settings["commit"] for one in found.sides] == ["aaaaaaaaaa", "aaaaaaaaaa and 2 changed files"]
    assert (found.same["lr"], found.same["metric"]) == ("0.1, 0.01, 0.001", "val_accuracy (max)")
    assert found.winner == 1
    one, other_one = found.record()["runs"]
    assert (one["best"]["value"], other_one["best"]["value"]) == pytest.approx((0.1, 0.3))
    assert (one["seconds"], one["cost"], one["cost_per_trial"]) == pytest.approx((60.0, 0.6, 0.1))
    assert found.record()["best"] == found.sides[1].run


def test_lower_may_be_better_and_different_metrics_have_no_winner() -> None:
    low, high = a_side(mode="min"), a_side(0.2, mode="min")
    assert compare([high, low]).winner == 1
    assert compare([low, a_side(metric="loss", mode="min")]).winner is None


def test_long_grids_and_ranges_are_in_words() -> None:
    axes = {"k": list(range(40))}
    ranges = {"lr": {"low": 1e-4, "high": 0.1, "log": True}, "x": {"low": 0.0, "high": 1.0}}
    run = a_run({"search": "random", "axes": axes, "ranges": ranges, "set": {}, "total": 3})
    status = derive(run, Reader(store_with(run, []), run.run).tally(run), Stages(), AT, AT)
    assert side(run, status, costs(run, [], 0), AT).parameters == {
        "k": "0, 1, 2, 3, 4, 5 … (40 values)",
        "lr": "0.0001 to 0.1, log",
        "x": "0 to 1",
    }


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, content in files.items():
            packed.writestr(name.replace("__", "/").replace("_py", ".py"), content)
    return buffer.getvalue()


def test_code_is_compared_by_what_was_packed() -> None:
    old = archive(project__job_py=b"x = 1\ny = 2\n", project__gone_py=b"z\n", project__w=b"\xff", awsrun__a_py=b"1")
    new = archive(project__job_py=b"x = 1\ny = 3\n", project__new_py=b"n\n", project__w=b"\xfe", awsrun__a_py=b"2")
    diff = code_changes(old, new, ("a", "b"))
    assert "--- a/job.py\n+++ b/job.py\n@@ -1,2 +1,2 @@\n x = 1\n-y = 2\n+y = 3\n" in diff
    assert "--- a/gone.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-z\n" in diff
    assert "--- /dev/null\n+++ b/new.py\n@@ -0,0 +1 @@\n+n\n" in diff
    assert "w differs" in diff
    assert "awsrun" not in diff, "that is not the user's"
    assert code_changes(old, old, ("a", "b")) == ""


def test_the_best_so_far_of_several_runs_is_one_picture() -> None:
    pytest.importorskip("matplotlib")
    runs = [a_run(run=name) for name in ("one", "two")]
    held = [(run, trials_of(run, lambda p: p["lr"], ended_ms=int(1000 * AT))) for run in runs]
    trials, time = history.together(held).axes
    assert [line.get_label() for line in trials.lines] == ["one: 10.0 %", "two: 10.0 %"]
    assert list(trials.lines[0].get_ydata()) == [10.0] * 6
    assert time.get_xlabel() == "time since the submit (seconds)"
    with pytest.raises(AwsrunError, match="different metrics"):
        history.together([held[0], (a_run(metric="loss"), [])])
