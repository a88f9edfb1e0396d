"""Two people type `awsrun resume`, or `awsrun retry`, at the same moment: no more workers start than for one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from jobs_runs import a_run

from awsrun.aws.errors import AwsrunError
from awsrun.jobs import control
from awsrun.jobs.site import Site
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.records import Limits, Me, Run
from awsrun.worker.protocol.store import RunStore

JOBS = {"queue": "q", "definition": "d", "table": "t"}
RUN = a_run().run


class Batch:
    """A Batch whose first SubmitJob takes as long as it takes the other command to get in its way, or to wait.

    Attributes:
        jobs: name and number of workers of each, by id; ``stopped``: ids.
        other: the other command is there; ``free``: it may go on.
    """

    region, endpoint_url = "us-east-1", ""

    def __init__(self) -> None:
        self.jobs: dict[str, tuple[str, int]] = {}
        self.stopped: list[str] = []
        self.other, self.free, self.held = threading.Event(), threading.Event(), False
        self.meanwhile: Callable[[], object] = lambda: self.other.wait(10)

    def read(self, service: str) -> Batch:
        return self

    write = read

    def submit_job(self, **request: Any) -> dict[str, str]:
        if self.held:
            self.other.set()
        else:
            self.held = True
            self.meanwhile()
        job = f"job-{len(self.jobs)}"
        self.jobs[job] = request["jobName"], request.get("arrayProperties", {}).get("size", 1)
        return {"jobId": job}

    def list_jobs(self, **request: Any) -> dict[str, Any]:
        names = request["filters"][0]["values"]
        return {"jobSummaryList": [{"jobId": job} for job, (name, _) in self.jobs.items() if name in names]}

    def describe_jobs(self, jobs: list[str]) -> dict[str, Any]:
        known = [job for job in jobs if job in self.jobs]
        return {"jobs": [{"jobId": job, "status": "RUNNING", **self._array(job)} for job in known]}

    def _array(self, job: str) -> dict[str, Any]:
        return {"arrayProperties": {"size": self.jobs[job][1]}} if self.jobs[job][1] > 1 else {}

    def terminate_job(self, jobId: str, reason: str) -> None:
        self.stopped.append(jobId)


@pytest.fixture
def batch() -> Batch:
    return Batch()


@pytest.fixture
def site(batch: Batch) -> Site:
    store = RunStore(MemoryTable(), sleep=lambda _: (batch.other.set(), batch.free.wait(10)))  # type: ignore[func-returns-value, arg-type, return-value]
    return Site("s", store, batch, JOBS)  # type: ignore[arg-type]


def run_of(site: Site, state: str) -> Run:
    """A run whose only worker has failed two trials and gone; it is over, or was left alone in the middle."""
    run = replace(a_run(next=6), limits=Limits(workers=3))
    store, me = site.store, Me(0, 1000)
    assert store.create(run) and store.register(run.run, me)
    for n in range(6):
        trial = store.claim(run.run, n, me, {})
        assert trial is not None and store.settle(run.run, replace(trial, state="failed" if n < 2 else "done"))
    store.leave(run.run, me)
    store.attach(run.run, {"kind": "batch", "groups": [{"job": "gone", "workers": 1, "slot": 0}]})
    if state == "done":
        assert store.finish(run.run, 0)
    elif state == "paused":
        store.retry(run.run)
        assert store.pause(run.run) == "paused"
    else:
        store.retry(run.run)
    return run


def both(site: Site, batch: Batch, what: Callable[[], Any]) -> Iterator[Any]:
    """What came of it, in two threads at once; who waits for the other goes on when that one is ready."""
    free = site.store.free_launch
    site.store.free_launch = lambda *asked: (free(*asked), batch.free.set())[0]  # type: ignore[func-returns-value, method-assign]
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(what) for _ in range(2)]:
            yield future.exception() or future.result()


@pytest.mark.parametrize("state", ["running", "paused"])
def test_of_two_resumes_one_starts_workers_and_the_other_says_that_they_are_there(
    site: Site, batch: Batch, state: str
) -> None:
    run_of(site, state)
    found = sorted(both(site, batch, lambda: control.resume(site, RUN)), key=str)
    assert found[0] == 2 and isinstance(found[1], AwsrunError) and "still has workers" in found[1].what
    assert list(batch.jobs.values()) == [(f"awsrun-{RUN}-w1", 2)] and not batch.stopped
    run = site.store.run(RUN)
    assert run is not None and [(g["job"], g["slot"]) for g in run.engine["groups"]] == [("gone", 0), ("job-0", 1)]


def test_of_two_retries_one_starts_workers_and_every_trial_is_put_back_once(site: Site, batch: Batch) -> None:
    run_of(site, "done")
    begun, put_back = threading.Barrier(2), site.store.retry
    site.store.retry = lambda *asked: (begun.wait(10), put_back(*asked))[1]  # type: ignore[method-assign]
    found = list(both(site, batch, lambda: control.retry(site, RUN)))
    assert sorted(started for _, started in found) == [0, 2], "two trials, two workers"
    assert len(batch.jobs) == 1
    trials = site.store.trials(RUN, 0)
    assert [trial.state for trial in trials] == ["retry", "retry", "done", "done", "done", "done"]
    assert site.store.status(RUN).state == "running"


def test_a_command_that_was_held_up_stops_what_it_starts_after_another_has_gone_on(site: Site, batch: Batch) -> None:
    run_of(site, "running")
    batch.free.set()
    batch.meanwhile = lambda: control.resume(site, RUN)  # it was asleep for so long that this one did not wait further
    with pytest.raises(AwsrunError, match="another command has started workers") as refused:
        control.resume(site, RUN)
    assert f"awsrun show {RUN}" in refused.value.hint
    run = site.store.run(RUN)
    assert run is not None
    noted = [group["job"] for group in run.engine["groups"][1:]]
    assert sorted([*noted, *batch.stopped]) == sorted(batch.jobs) and len(noted) == 1


def test_what_a_killed_command_had_started_is_found_and_nobody_waits_for_it_for_ever(site: Site, batch: Batch) -> None:
    run_of(site, "running")

    def killed() -> None:
        raise SystemExit

    attach, site.store.attach = site.store.attach, lambda *_: killed()  # type: ignore[method-assign, assignment, return-value]
    free, site.store.free_launch = site.store.free_launch, lambda *_: None  # type: ignore[method-assign, assignment]
    batch.other.set()
    batch.free.set()
    with pytest.raises(SystemExit):
        control.resume(site, RUN)
    site.store.attach, site.store.free_launch = attach, free  # type: ignore[method-assign]
    assert control.resume(site, RUN) == 2 and len(batch.jobs) == 1, "the job that is there is noted, not doubled"


def test_a_command_that_takes_minutes_is_not_taken_for_a_killed_one() -> None:
    table, clock, waited = MemoryTable(), [0.0], list[float]()
    holder = RunStore(table)
    assert holder.create(a_run())
    holder.hold_launch(RUN, "first")
    starts = holder.getting_on(RUN, "first", lambda _: None, lambda: clock[0])

    def second_passes(seconds: float) -> None:
        waited.append(seconds)
        clock[0] += seconds
        if clock[0] < 600:
            starts(1.0)
        elif clock[0] == 600:
            holder.free_launch(RUN, "first")

    RunStore(table, sleep=second_passes).hold_launch(RUN, "second")
    assert sum(waited) == 600, "as long as it got on, and then no longer"
    assert not holder.attach(RUN, {"groups": []}, "first") and holder.attach(RUN, {"groups": []}, "second")
    assert not holder.attach(RUN, {"groups": [{}]}), "a late copy of what the submit noted"
