"""The two ways to get workers, seen alike: AWS Batch and ECS Fargate.  Nothing else of a run depends on which it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError
from awsrun.aws.tags import STACK
from awsrun.jobs.site import Site
from awsrun.jobs.workers import batch, fargate
from awsrun.jobs.workers.stages import Stages
from awsrun.worker import bootstrap
from awsrun.worker.cores import VCPUS
from awsrun.worker.fargate import KIND
from awsrun.worker.protocol.runs import Run

RUN_TAG = "awsrun:run"


class Overtaken(AwsrunError):
    """Another command has started workers for the run while this one did; this one's are stopped."""

    def __init__(self, run: str) -> None:
        why = "this one was held up meanwhile, and stops what it has started"
        super().__init__(f"another command has started workers for {run}", why, f"awsrun show {run}")


class Engine(Protocol):
    """What is asked of a way to get workers."""

    @property
    def name(self) -> str:
        """As users know it."""

    @property
    def replaces(self) -> bool:
        """It starts a lost worker again by itself."""

    def start(self, run: Run, count: int, slot: int, image: str, launch: str, sleep: Callable[[float], None]) -> int:
        """Start ``count`` workers on the slots from ``slot`` on, as another group of the run, and note that in its
        record; how many were, which may be fewer where the record then says why.

        Args:
            image: the identity of the image that they start from (see `awsrun.jobs.workers.image`), which is noted
                with them.
            launch: the token under which they are noted (see `awsrun.worker.protocol.launches`).  An earlier command
                may then have started this very group and been killed before it noted it.  Empty at the submit.

        Raises:
            AwsrunError: none was started, or another command was faster.
        """

    def stages(self, run: Run) -> Stages:
        """The run's workers by stage."""

    def diagnose(self, run: Run) -> list[str]:
        """Why none of them starts."""

    def stop(self, run: Run, reason: str) -> None:
        """Stop those that are there or wait."""

    def dismiss(self, run: Run, reason: str) -> int:
        """Have those of a run that is over that have not begun never begin; how many they were."""

    def fallen(self, run: Run) -> list[str]:
        """Ids of a few that failed."""

    def streams(self, run: Run, ids: Iterable[str]) -> Mapping[str, list[str]]:
        """Id -> log streams."""


def of_stack(site: Site) -> Engine:
    """Where the stack's workers come from."""
    _, jobs = site.live()
    return _made(site, str(jobs.get("engine", "batch")))


def of_run(site: Site, run: Run) -> Engine:
    """Where the run's workers came from; the stack's way where none were asked for yet."""
    _, jobs = site.live()
    return _made(site, str(run.engine.get("kind") or jobs.get("engine", "batch")))


def _made(site: Site, kind: str) -> Engine:
    cloud, jobs = site.live()
    return OnFargate(site, cloud, jobs) if kind == KIND else OnBatch(site, cloud, jobs)


@dataclass(frozen=True)
class OnBatch:
    """Workers are the children of array jobs, or plain jobs; see `awsrun.jobs.workers.batch`."""

    site: Site
    cloud: Cloud
    jobs: Mapping[str, Any]
    name: str = "Batch"
    replaces: bool = True

    def start(
        self, run: Run, count: int, slot: int, image: str, launch: str, sleep: Callable[[float], None] = time.sleep
    ) -> int:
        groups: list[dict[str, Any]] = list(run.engine.get("groups", ()))
        queue, definition = self.jobs["queue"], self.jobs["definition"]
        name = f"awsrun-{run.run}-w{len(groups)}"
        table, region = str(self.jobs["table"]), self.cloud.region
        command = bootstrap.command(run.bucket, run.code_key, run.code_hash, run.run, table, region, slot)
        job = batch.find(self.cloud, queue, name) if launch else None
        sleeps = self.site.store.getting_on(run.run, launch, sleep)
        vcpus = run.size.get("vcpus") or self.jobs.get("vcpus")
        variables = {VCPUS: f"{float(vcpus):g}"} if vcpus else {}
        job = job or batch.start(
            self.cloud, queue, definition, name, count, command, _tags(self.site, run), sleeps, run.size, variables
        )
        groups.append({"job": job, "workers": count, "slot": slot, "image": image})
        engine = {"kind": "batch", "queue": queue, "definition": definition, "groups": groups}
        if not self.site.store.attach(run.run, engine, launch):
            now = self.site.store.run(run.run)
            if now is None or job not in _ids(now):  # else the other command has found it by its name
                batch.stop(self.cloud, [job], "awsrun: another command has started workers for this run")
            raise Overtaken(run.run)
        return count

    def stages(self, run: Run) -> Stages:
        return batch.stages(self.cloud, _ids(run))

    def diagnose(self, run: Run) -> list[str]:
        arrays = [str(group["job"]) for group in run.engine.get("groups", ()) if group["workers"] > 1]
        return batch.diagnose(self.cloud, run.engine["queue"], arrays)

    def stop(self, run: Run, reason: str) -> None:
        batch.stop(self.cloud, _ids(run), reason)

    def dismiss(self, run: Run, reason: str) -> int:
        return batch.dismiss(self.cloud, _ids(run), reason)

    def fallen(self, run: Run) -> list[str]:
        return batch.fallen(self.cloud, run.engine.get("groups", ()))

    def streams(self, run: Run, ids: Iterable[str]) -> Mapping[str, list[str]]:
        return batch.log_streams(self.cloud, list(ids))


@dataclass(frozen=True)
class OnFargate:
    """Workers are tasks; see `awsrun.jobs.workers.fargate`."""

    site: Site
    cloud: Cloud
    jobs: Mapping[str, Any]
    name: str = "ECS"
    replaces: bool = False

    def start(
        self, run: Run, count: int, slot: int, image: str, launch: str, sleep: Callable[[float], None] = time.sleep
    ) -> int:
        """The group is noted before its tasks are asked for: they look themselves up in it.  It stays noted if this is
        cut off, as some of them may be there; ``started`` is fewer than ``workers`` where others are certainly not."""
        before: list[dict[str, Any]] = list(run.engine.get("groups", ()))
        group = {"job": f"{run.run}/w{len(before)}", "workers": count, "slot": slot, "image": image}
        group["at"] = int(time.time())
        engine = self._engine(run, [*before, group])
        if not self.site.store.attach(run.run, engine, launch):
            raise Overtaken(run.run)
        try:
            sleeps = self.site.store.getting_on(run.run, launch, sleep)
            made = fargate.start(self.cloud, replace(run, engine=engine), slot, count, sleeps)
        except AwsrunError:
            self.site.store.attach(run.run, {**engine, "groups": before, "tries": engine["tries"] + 1}, launch)
            raise
        started = made.count + made.unsure
        if started < count or made.unsure:
            told = {"started": started, "reasons": [_short(made, count, reason) for reason in made.reasons]}
            self.site.store.attach(run.run, {**engine, "groups": [*before, {**group, **told}]}, launch)
        return started

    def _engine(self, run: Run, groups: list[dict[str, Any]]) -> dict[str, Any]:
        kept = ("cluster", "definition", "container", "capacity", "subnets", "security_groups", "public", "table")
        return {
            "kind": KIND,
            **{key: self.jobs[key] for key in kept},
            "region": self.cloud.region,
            "tags": _tags(self.site, run),
            "tries": int(run.engine.get("tries", 0)),
            "groups": groups,
        }

    def stages(self, run: Run) -> Stages:
        return fargate.stages(self.cloud, run, time.time())

    def diagnose(self, run: Run) -> list[str]:
        return fargate.diagnose(self.cloud, run)

    def stop(self, run: Run, reason: str) -> None:
        fargate.stop(self.cloud, run, reason)

    def dismiss(self, run: Run, reason: str) -> int:
        return fargate.dismiss(self.cloud, run, reason)

    def fallen(self, run: Run) -> list[str]:
        return fargate.fallen(self.cloud, run)

    def streams(self, run: Run, ids: Iterable[str]) -> Mapping[str, list[str]]:
        return fargate.streams(run, ids)


def _short(made: fargate.Started, count: int, reason: str) -> str:
    """What a user is told of workers that were not started."""
    missing = count - made.count
    unsure = f"{made.unsure} of them perhaps were" if made.unsure else ""
    return f"{missing} of {count} workers were not started{f' ({unsure})' * bool(unsure)}: {reason}"


def _tags(site: Site, run: Run) -> dict[str, str]:
    """Of all that is started for a run."""
    return {STACK: site.stack, RUN_TAG: run.run}


def _ids(run: Run) -> list[str]:
    return [str(group["job"]) for group in run.engine.get("groups", ())]
