"""Starting workers for a run: at submit, and again at resume and retry."""

from __future__ import annotations

import time
from collections.abc import Callable

from awsrun.aws.errors import AwsrunError, Stopped
from awsrun.jobs.site import Site
from awsrun.jobs.workers import engines
from awsrun.jobs.workers import image as images
from awsrun.jobs.workers.image import Image
from awsrun.worker.protocol.runs import Run


def missing(run: Run) -> list[str]:
    """Which of the workers that were asked for last were not started, and why."""
    return [str(reason) for group in run.engine.get("groups", ()) for reason in group.get("reasons", ())]


def workers(
    site: Site,
    run: Run,
    count: int,
    first_slot: int = 0,
    token: str = "",
    image: Image | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Start ``count`` workers and note them in the run's record; how many were started.

    Args:
        first_slot: their slots follow on those of earlier groups, so that no two workers share one.
        token: of a command that is not the submit (see `awsrun.worker.protocol.launches`).
        image: that they start from, if it was looked up just now.

    Raises:
        AwsrunError: AWS refuses them; the run stays and can be resumed.  Or the stack has another way to get workers
            now than when the run was submitted.
        Stopped: Ctrl-C came meanwhile; the run stays, too.
    """
    before, now = engines.of_run(site, run), engines.of_stack(site)
    if before.name != now.name:
        what = f"the workers of {run.run} came from {before.name}, and stack {site.stack} has {now.name} now"
        raise AwsrunError(what, "a run keeps to one of them", "submit it again")
    try:
        found = image or images.resolve(*site.live())
        return now.start(run, count, first_slot, found.identity, token, sleep)
    except KeyboardInterrupt as error:
        what = f"{run.run} is submitted, and perhaps not all its workers were asked for"
        hint = (
            f"awsrun show {run.run} --watch; if it stalls: awsrun resume {run.run}; to end it: awsrun cancel {run.run}"
        )
        raise Stopped(what, "stopped by Ctrl-C", hint) from error
    except engines.Overtaken:
        raise
    except AwsrunError as error:
        first = f"{error.hint}; " if error.hint else ""
        hint = f"{first}the run is written; to go on: awsrun resume {run.run}"
        raise AwsrunError(error.what, error.why, hint) from error
