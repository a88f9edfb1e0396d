"""Starting workers for a run: at submit, and again at resume and retry."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from awsrun.aws.errors import AwsrunError
from awsrun.aws.tags import STACK
from awsrun.jobs import batch
from awsrun.jobs.site import Site
from awsrun.worker import bootstrap
from awsrun.worker.runs import Run

RUN_TAG = "awsrun:run"


def workers(
    site: Site,
    run: Run,
    count: int,
    first_slot: int = 0,
    again: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Start ``count`` workers and note their job in the run's record.

    Args:
        first_slot: their slots follow on those of earlier groups, so that no two workers share one.
        again: an earlier command may have started this very group and been killed before it noted it: look first.

    Raises:
        AwsrunError: Batch refuses them; the run stays and can be resumed.
    """
    cloud, jobs = site.live()
    groups: list[dict[str, Any]] = list(run.engine.get("groups", ()))
    name = job_name(run.run, len(groups))
    try:
        job = batch.find(cloud, jobs["queue"], name) if again else None
        job = job or batch.start(
            cloud,
            jobs["queue"],
            jobs["definition"],
            name,
            count,
            command(site, run, first_slot),
            {STACK: site.stack, RUN_TAG: run.run},
            sleep,
        )
    except AwsrunError as error:
        raise AwsrunError(error.what, error.why, f"the run is written; to go on: awsrun resume {run.run}") from error
    groups.append({"job": job, "workers": count, "slot": first_slot})
    engine = {"kind": "batch", "queue": jobs["queue"], "definition": jobs["definition"], "groups": groups}
    site.store.attach(run.run, engine)


def job_name(run: str, group: int) -> str:
    """The Batch job of a run's group of workers."""
    return f"awsrun-{run}-w{group}"


def job_ids(run: Run) -> list[str]:
    """The Batch jobs of all groups."""
    return [str(group["job"]) for group in run.engine.get("groups", ())]


def array_ids(run: Run) -> list[str]:
    """Those of the Batch jobs that have children: a single worker is a plain job, which Batch lists no children of."""
    return [str(group["job"]) for group in run.engine.get("groups", ()) if group["workers"] > 1]


def command(site: Site, run: Run, first_slot: int) -> list[str]:
    """What the container runs: fetch the run's archive, then the worker in it."""
    cloud, jobs = site.live()
    table = str(jobs["table"])
    return bootstrap.command(run.bucket, run.code_key, run.code_hash, run.run, table, cloud.region, first_slot)
