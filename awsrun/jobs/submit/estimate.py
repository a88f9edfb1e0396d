"""What a run will cost, before it is submitted: its workers' price, and what earlier trials of the same job took."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from awsrun.jobs.site import Site
from awsrun.jobs.submit import ids
from awsrun.jobs.submit.request import Request
from awsrun.jobs.workers import price

ENOUGH = 5
"""Earlier runs of the job that are looked at, for one that has finished a trial."""


@dataclass(frozen=True)
class Estimate:
    """In US dollars, by AWS's list price on demand; None where something is not known.

    Attributes:
        billed: False on the embedded cloud.
        spot: the workers run on spare capacity, which costs less.
        hourly: of all workers together.
        likely: of the whole run, if its trials take as long as those of ``basis``.
        most: what the run's own limits let it cost.
        seconds: what a trial took in the run ``basis``, the median.
    """

    billed: bool
    spot: bool = False
    hourly: float | None = None
    likely: float | None = None
    most: float | None = None
    seconds: float | None = None
    basis: str = ""

    @property
    def weighed(self) -> float | None:
        """What is held against the limit from which on a person is asked.

        The likely cost; where no earlier trial tells it, an hour of the workers; never more than the run's own limits.
        """
        if not self.billed:
            return 0.0
        known = self.hourly if self.likely is None else self.likely
        return known if self.most is None or known is None else min(known, self.most)


def estimate(site: Site, request: Request, workers: int) -> Estimate:
    """What a run of ``workers`` workers will cost; at most three queries of the table, on AWS alone."""
    cloud, jobs = site.live()
    billed = cloud.context.name != "local"
    hourly = price.hourly(cloud, jobs, workers)
    spot = str(jobs.get("capacity", "")).endswith("SPOT")
    if hourly is None or not billed:
        return Estimate(billed, spot, hourly)
    basis, seconds = _earlier(site, request.archive.job)
    limits = request.limits
    bounds = [hourly * limits.max_seconds / 3600] if limits.max_seconds else []
    bounds += [limits.max_cost] if limits.max_cost else []
    bounds += [hourly / workers * request.total * limits.timeout / 3600] if limits.timeout else []
    likely = None if seconds is None else hourly / workers * request.total * seconds / 3600
    return Estimate(billed, spot, hourly, likely, min(bounds, default=None), seconds, basis)


def _earlier(site: Site, job: str) -> tuple[str, float | None]:
    """The newest run of the same job that has finished a trial, and how long a trial of it took."""
    listed = site.store.table.query("RUNS", f"{ids.stem(job)}-", limit=ENOUGH, backwards=True)
    for item in [item for item in listed if item.get("job") == job]:
        run = str(item["sk"])
        if took := [trial.seconds for trial in site.store.trials(run, 0) if trial.state == "done"]:
            return run, statistics.median(took)
    return "", None
