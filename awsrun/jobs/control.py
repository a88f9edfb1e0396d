"""What a user does to a submitted run: cancel it, put failed trials back, start workers again."""

from __future__ import annotations

import time

from awsrun.aws.errors import AwsrunError
from awsrun.jobs import batch, launch
from awsrun.jobs.reader import Reader
from awsrun.jobs.site import Site
from awsrun.worker.records import FINAL, SETTLED, Run


def cancel(site: Site, run: str) -> str:
    """Cancel a run: no trial starts any more, workers are stopped; the state it has then."""
    cloud, _ = site.live()
    state = site.store.cancel(run, _now_ms())
    if state == "cancelled":  # in this order: a worker that is stopped finds no work when it is started again
        batch.stop(cloud, launch.job_ids(_run(site, run)), "cancelled by awsrun cancel")
    return state


def cancel_trial(site: Site, run: str, n: int) -> str:
    """Cancel one trial; the state it has then.

    Raises:
        AwsrunError: the run has no trial ``n``, or is over.
    """
    site.live()
    whole = _run(site, run)
    if not 0 <= n < whole.total:
        raise AwsrunError(f"{run} has no trial {n}", f"its trials are 0 to {whole.total - 1}")
    if whole.state in FINAL:
        raise AwsrunError(f"{run} is over: {whole.state}", "a trial of it cannot be cancelled any more")
    return site.store.cancel_trial(run, n, _now_ms()).state


def retry(site: Site, run: str) -> tuple[int, int]:
    """Put failed and cancelled trials back and see to it that there are workers; (trials put back, workers started).

    Raises:
        AwsrunError: no trial has failed.
    """
    reader = Reader(site.store, run)
    whole = reader.run()
    counts = reader.tally(whole).counts
    if not counts["failed"] and not counts["cancelled"] and whole.state not in ("retrying", "failed", "cancelled"):
        raise AwsrunError(f"no trial of {run} has failed", f"{counts['done']} of {whole.total} are done")
    back = site.store.retry(run)
    return back, _start(site, run, whole.state in FINAL)


def resume(site: Site, run: str) -> int:
    """Start workers for a run that is not finished and has none; how many.

    Raises:
        AwsrunError: the run is done, or still has workers.
    """
    whole = _run(site, run)
    if whole.state == "done":
        raise AwsrunError(f"{run} is done", "there is nothing left to do", f"awsrun results {run}")
    if whole.state != "running":
        site.store.retry(run)
    started = _start(site, run, whole.state in FINAL)
    if not started:
        raise AwsrunError(f"{run} still has workers", "they go on by themselves", f"awsrun show {run}")
    return started


def _start(site: Site, run: str, was_over: bool) -> int:
    """Start as many workers as the rest of the run needs, unless some are there; how many.

    Args:
        was_over: workers that are still there are on their way out, and do not count.
    """
    cloud, _ = site.live()
    reader = Reader(site.store, run)
    whole = reader.run()
    if not was_over and batch.stages(cloud, launch.job_ids(whole)).alive:
        return 0
    counts = reader.tally(whole).counts
    left = whole.total - sum(counts[state] for state in SETTLED)
    workers = max(1, min(whole.limits.workers, left))
    groups = whole.engine.get("groups", ())
    used = max((group["slot"] + group["workers"] for group in groups), default=0)
    launch.workers(site, whole, workers, max(used, site.store.next_slot(run)), again=True)
    return workers


def _run(site: Site, run: str) -> Run:
    return Reader(site.store, run).run()


def _now_ms() -> int:
    return int(time.time() * 1000)
