"""Workers that have not begun when their run is over are called off; those that run go by themselves."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from jobs_stack import Place, make

from awsrun.jobs.site import open_site
from awsrun.jobs.submit import submission
from awsrun.jobs.submit.experiment import Experiment
from awsrun.jobs.submit.request import prepare

WORKERS = 40  # more than this machine has room for
T = TypeVar("T")


@pytest.fixture(scope="module")
def place(local_cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make(local_cloud, "waiting", tmp_path_factory.mktemp("waiting"), max_vcpus=WORKERS)


def until(condition: Callable[[], T]) -> T:
    end = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def test_workers_that_wait_for_a_run_that_is_over_are_called_off(place: Place, tmp_path: Path) -> None:
    gate, site = tmp_path / "gate", open_site(place.api, place.stack)
    lrs = [n / 100 for n in range(WORKERS)]
    request = prepare(
        Experiment(job=place.folder / "job.py", grid={"lr": lrs}, set={"gate": str(gate)}, workers=WORKERS)
    )
    # Workers hear of the run's end only when their trial ends: until then none leaves, and none takes its place.
    run = submission.submit(replace(request, limits=replace(request.limits, beat=600.0, lease=3600.0)), site)
    until(lambda: any(trial["state"] == "run" for trial in place.results(run)["trials"]))
    (group,) = site.store.run(run).engine["groups"]  # type: ignore[union-attr]
    batch = place.cloud.client("batch")

    def summary() -> dict[str, int]:
        (job,) = batch.describe_jobs(jobs=[group["job"]])["jobs"]
        return {status: number for status, number in job["arrayProperties"]["statusSummary"].items() if number}

    def running() -> set[str]:
        listed = batch.list_jobs(arrayJobId=group["job"], jobStatus="RUNNING")["jobSummaryList"]
        return {child["jobId"] for child in listed}

    assert "called off" not in place.awsrun("show", run).stdout
    assert summary()["RUNNABLE"] > 0, "while the run is not over they wait"
    assert site.store.finish(run, 0, "failed", {"type": "E", "message": "m"}, 1)
    said = place.awsrun("cancel", run, code=1).stderr
    found, there = summary(), running()
    assert there and found == {"RUNNING": len(there), "FAILED": WORKERS - len(there)}
    assert f"{run} was over already: failed" in said
    assert re.search(rf"\b{WORKERS - len(there)} workers that had not begun were called off", said)
    assert "called off" not in place.awsrun("show", run, "--watch", code=1).stderr, "it was done before"
    assert running() == there
    gate.touch()
    until(lambda: summary() == {"SUCCEEDED": len(there), "FAILED": WORKERS - len(there)})
