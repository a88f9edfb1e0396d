"""Which earlier runs a submit with ``--reuse`` takes results from: a few reads, however many trials there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from awsrun.jobs.site import Site
from awsrun.jobs.submit import ids
from awsrun.jobs.submit.request import Request
from awsrun.jobs.workers import image as images
from awsrun.jobs.workers.image import Image
from awsrun.worker.protocol.runs import Run

LOOKED_AT = 20
"""Earlier runs of the same job that are looked at, the newest first."""
MOST = 3
"""So many are taken: each may cost a read for each trial."""


@dataclass(frozen=True)
class Earlier:
    """Runs to take results from.

    Attributes:
        runs: their ids, the newest first.
        why: what is different in the newest run of the job, where there are none.
        image: what workers start from now.
    """

    runs: tuple[str, ...] = ()
    why: str = ""
    image: Image = Image()  # noqa: RUF009  frozen


def look(site: Site, request: Request) -> Earlier:
    """The earlier runs whose trials are the same as those of a submit, where number and parameters are."""
    found, why = [], ""
    image = images.resolve(*site.live())
    if not image.identity:
        name = f" {image.name}" if image.name else ""
        return Earlier(why=f"whether the image{name} is still the same is not known ({image.why})", image=image)
    job, differences = request.archive.job, _against(site, request, image)
    listed = site.store.table.query("RUNS", f"{ids.stem(job)}-", limit=LOOKED_AT, backwards=True)
    for item in sorted(listed, key=lambda one: str(one.get("submitted_at", "")), reverse=True):  # ids tell the minute
        earlier = site.store.run(str(item["sk"])) if item.get("job") == job else None
        if earlier is None or not earlier.next:
            continue
        differs = next(differences(earlier), "")
        if not differs:
            found.append(earlier.run)
        why = why or (f"{earlier.run} {differs}" if differs else "")
        if len(found) == MOST:
            break
    return Earlier(tuple(found), "" if found else why or f"there is no earlier run of {job}", image)


def _against(site: Site, request: Request, image: Image) -> Callable[[Run], Iterator[str]]:
    """What tells why no trial of an earlier run can be one of this submit."""
    _, jobs = site.live()
    code = request.archive.zipped().sha256
    goals = dict(request.job.objectives) or ({request.job.metric: request.job.mode} if request.job.metric else {})

    def differences(earlier: Run) -> Iterator[str]:
        if earlier.code_hash != code:
            yield "ran other code (a file that is packed, or awsrun itself)"
        if (earlier.function, earlier.requirements) != (request.job.entry, request.requirements):
            yield "had another function or requirements file"
        if earlier.engine.get("definition") != jobs["definition"]:
            yield "ran with another revision of the job definition"
        if images.identities(earlier) != [image.identity]:
            yield f"ran in another image ({images.told(earlier, short=True) or 'which one was not recorded'})"
        if earlier.seed != request.seed:
            yield f"had --seed {earlier.seed}"
        if earlier.goals != goals:
            yield "was after another metric"

    return differences
