"""What runs cost and will cost: from workers' records, list prices and what earlier trials took."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from jobs_runs import a_run, store_with, trials_of

from awsrun.aws.context import Context
from awsrun.aws.errors import AwsrunError
from awsrun.cli.follow import priced, spent, took
from awsrun.cli.submit import agreed_to
from awsrun.jobs.reading import costs
from awsrun.jobs.reading.reader import Reader
from awsrun.jobs.reading.status import derive
from awsrun.jobs.site import Site
from awsrun.jobs.submit import estimate
from awsrun.jobs.submit.estimate import Estimate
from awsrun.jobs.workers import price
from awsrun.jobs.workers.stages import Stages
from awsrun.worker.protocol.records import Limits, Worker

HOUR = 3_600_000
AWS = {"context": "aws", "hourly": 0.6}


def test_workers_are_paid_while_they_are_there_and_by_their_beats_once_they_are_gone() -> None:
    run = a_run(provenance=AWS, limits=Limits(beat=15.0))
    there = Worker(0, 1000, beat=3, started_ms=HOUR)
    gone = Worker(1, 1000, beat=59, dead=True, started_ms=HOUR)
    again = Worker(2, 2000, started_ms=2 * HOUR, past_ms=HOUR)
    found = costs.costs(run, [there, gone, again], now_ms=3 * HOUR)
    assert found.hours == pytest.approx(2 + 0.25 + 2)
    assert found.total == pytest.approx(4.25 * 0.6)
    over = costs.costs(replace(run, state="done"), [there], now_ms=99 * HOUR)
    assert over.hours == pytest.approx(60 / 3600), "a worker that never said goodbye does not cost for ever"


def test_a_trial_and_a_point_have_their_share() -> None:
    run = a_run(provenance=AWS)
    trials = trials_of(run, lambda p: p["lr"], ended_ms=1000 + HOUR // 2)
    trials[5] = replace(trials[5], state="failed", value=None)
    found = costs.costs(run, [Worker(0, 1000, beat=239, dead=True)], HOUR, trials)
    assert (found.total, found.trials, found.per_trial) == pytest.approx((0.6, 6, 0.1))
    assert found.trial(trials[0]) == pytest.approx(0.3)
    assert (found.points, found.unit) == (pytest.approx(9.0), "% of validation accuracy"), "10 % over the median, 1 %"
    assert found.per_point == pytest.approx(0.6 / 9)


def test_what_the_trials_took_over_all_attempts_and_what_nobody_used_make_up_the_total() -> None:
    run = a_run(provenance=AWS, state="done")
    share = HOUR // 20
    trials = trials_of(run, lambda p: p["lr"], ended_ms=1000 + 2 * share, spent_ms=share, lost_ms=share // 2)
    there = [Worker(0, 1000, beat=239, dead=True)]
    found = costs.costs(run, there, HOUR, trials)
    assert (found.total, found.idle, found.of_idle) == pytest.approx((0.6, 0.1, 0.06))
    assert sum(found.trial(trial) or 0.0 for trial in trials) + (found.of_idle or 0.0) == pytest.approx(found.total)
    assert priced(found).startswith("$0.60 by list price ($0.54 for trials' time, $0.060 for starts and waits), $0.10")
    assert spent(found) == "$0.60 by list price (60 min of workers, 6 min of it starting or waiting)"
    whole = Reader(store_with(run, trials), run.run).tally(run)
    assert (whole.seconds, whole.lost) == pytest.approx((0.9 * 3600, 0.15 * 3600))
    told = derive(run, whole, Stages(), 99.0, 0.0)
    assert took(told) == "54 min (9 min of it with workers that were lost)"
    assert costs.costs(a_run(provenance=AWS), there, HOUR, trials).idle is None, "while a run goes on, nobody can tell"


@pytest.mark.parametrize(
    ("provenance", "limits", "total", "on_aws"),
    [
        ({"context": "local", "hourly": 0.6}, Limits(), 0.0, 0.6),
        ({"context": "local", "hourly": None}, Limits(), 0.0, None),
        ({"context": "aws", "hourly": None}, Limits(), None, None),
        ({}, Limits(price=0.5), 0.5, 0.5),
        ({}, Limits(), None, None),
    ],
    ids=["local", "local, no price", "no price", "an older run with a limit", "an older run without"],
)
def test_free_and_unknown_are_not_the_same(
    provenance: dict[str, Any], limits: Limits, total: float | None, on_aws: float | None
) -> None:
    found = costs.costs(a_run(provenance=provenance, limits=limits), [Worker(0, 1000)], HOUR)
    assert (found.total, found.on_aws) == (total, on_aws)


def a_site(context: str = "aws", **jobs: Any) -> Site:
    run = a_run()
    store = store_with(run, trials_of(run, lambda p: 0.5, ended_ms=1000 + 36_000))
    assert store.create(a_run(run="job-1124-0000-zzz"))
    cloud: Any = SimpleNamespace(context=SimpleNamespace(name=context))
    return Site("s", store, cloud, jobs)


def a_request(total: int = 100, job: str = "jobs/job.py", **limits: float) -> Any:
    return SimpleNamespace(archive=SimpleNamespace(job=job), total=total, limits=Limits(**limits))


@pytest.mark.parametrize(
    ("context", "request_", "likely", "most", "weighed"),
    [
        ("aws", a_request(), 100 * 0.01 * 2, None, 2.0),
        ("aws", a_request(job="jobs/other.py"), None, None, 8.0),
        ("aws", a_request(job="x/job.py"), None, None, 8.0),
        ("aws", a_request(max_cost=1.5), 2.0, 1.5, 1.5),
        ("aws", a_request(max_seconds=360), 2.0, 0.8, 0.8),
        ("aws", a_request(timeout=3600, max_cost=900), 2.0, 200, 2.0),
        ("local", a_request(), None, None, 0.0),
    ],
    ids=["like the last", "never run: an hour", "another job of that name", "max cost", "max time", "timeout", "free"],
)
def test_the_estimate_goes_by_the_same_jobs_trials_and_the_runs_limits(
    monkeypatch: pytest.MonkeyPatch,
    context: str,
    request_: Any,
    likely: float | None,
    most: float | None,
    weighed: float,
) -> None:
    monkeypatch.setattr(price, "hourly", lambda cloud, jobs, workers: 2.0 * workers)
    found = estimate.estimate(a_site(context), request_, 4)
    assert (found.likely, found.most, found.weighed) == pytest.approx((likely, most, weighed))
    assert found.basis == ("" if likely is None else "job-1123-1432-k3f"), "the newer run has no trial yet"


@pytest.mark.parametrize(
    ("cost", "limit", "asks"),
    [
        (Estimate(True, hourly=3.0, likely=9.0), None, ""),
        (Estimate(True, hourly=3.0, likely=11.0), None, "about $11.00 is more than $10.00"),
        (Estimate(True, hourly=3.0, likely=11.0), 20.0, ""),
        (Estimate(True, hourly=3.0, likely=0.01), 0.0, "about $0.010 is more than $0.00"),
        (Estimate(True, hourly=34.0), None, "about $34.00 for each hour is more than $10.00"),
        (Estimate(True, hourly=34.0, most=5.0), None, ""),
        (Estimate(True), None, ""),
        (Estimate(False, hourly=34.0), 0.0, ""),
    ],
    ids=["little", "much", "allowed", "ask always", "nobody knows how long", "bounded", "no price", "free"],
)
def test_a_run_that_costs_much_needs_a_yes(
    cost: Estimate, limit: float | None, asks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: SIM115
    context = Context("aws", ask_over=limit)
    assert agreed_to(cost, context, yes=True)
    if not asks:
        assert agreed_to(cost, context, yes=False)
        return
    with pytest.raises(AwsrunError) as refused:
        agreed_to(cost, context, yes=False)
    assert (refused.value.why, refused.value.hint) == (asks, "add --yes")
