"""Where runs live: a stack's table and bucket, or the export that a teardown left on this machine."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from awsrun.aws import stacks
from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError, matches
from awsrun.aws.paths import data_dir
from awsrun.jobs import export
from awsrun.worker.protocol.dynamodb import DynamoTable
from awsrun.worker.protocol.runs import RunEntry
from awsrun.worker.protocol.store import RunStore

T = TypeVar("T")


@dataclass(frozen=True)
class Site:
    """Where a run's records are.

    Attributes:
        cloud: None for an exported run: there is nothing left to call.
        jobs: what the stack's record says of jobs (queue, definition, bucket, table, log_group, sizes).
    """

    stack: str
    store: RunStore
    cloud: Cloud | None = None
    jobs: Mapping[str, Any] | None = None

    def live(self) -> tuple[Cloud, Mapping[str, Any]]:
        """The cloud and the stack's jobs record.

        Raises:
            AwsrunError: the run is only an export.
        """
        if self.cloud is None or self.jobs is None:
            raise AwsrunError("this run's stack was torn down", "only its results were kept, on this machine")
        return self.cloud, self.jobs


def open_site(cloud: Cloud, stack: str | None = None) -> Site:
    """The stack to run jobs in: ``stack``, else the only one that has a place for jobs.

    Raises:
        AwsrunError: not applied, no jobs in it, or more than one to choose from.
    """
    if stack is not None:
        return _site(cloud, stacks.read(cloud, stack))
    found = [record for record in stacks.readable(cloud) if record.jobs]
    if len(found) > 1:
        names = ", ".join(record.stack for record in found)
        raise AwsrunError("more than one stack can run jobs", names, f"--stack {found[0].stack}")
    if not found:
        raise AwsrunError(
            f"no stack that can run jobs is applied in context {cloud.context}",
            "a run needs a queue, a job definition, a bucket and a table",
            "awsrun apply specs/batch.yaml",
        )
    return _site(cloud, found[0])


def sites(cloud: Cloud, stack: str | None = None) -> Iterator[Site]:
    """Every stack with jobs, or only ``stack``; none if that was torn down."""
    records = stacks.readable(cloud) if stack is None else [stacks.find(cloud, stack)]
    for record in records:
        if record is not None and record.jobs:
            yield _site(cloud, record)


def entries(cloud: Cloud, stack: str | None = None, limit: int | None = None) -> list[tuple[str, RunEntry]]:
    """(stack, run) of the runs in this context and the exported ones, newest first."""
    found = {entry.run: (site.stack, entry) for site in sites(cloud, stack) for entry in _listed(site)}
    for path in export.listed(data_dir() / "runs", cloud):
        kept = export.load(path)
        if stack in (None, kept.stack):
            found.setdefault(kept.run, (kept.stack, kept.store.runs()[0]))
    newest = sorted(found.values(), key=lambda pair: pair[1].submitted_at, reverse=True)
    return newest[:limit]


def locate(cloud: Cloud, run: str, stack: str | None = None) -> tuple[Site, str]:
    """Where the run is, and its whole id; ``run`` may be a prefix that fits only one, ``last``, or ``last~2`` for the
    second before the last.

    Raises:
        AwsrunError: no run is called that, or several are.
    """
    if counted := re.fullmatch(r"last(?:~(\d{1,6}))?", run):
        back = int(counted[1] or 0)
        newest = entries(cloud, stack, limit=back + 1)
        where = f"of stack {stack!r} in context {cloud.context}" if stack else f"in context {cloud.context}"
        if not newest:
            hint = "awsrun runs" if stack else "awsrun submit jobs/mnist.py"
            raise AwsrunError(f"there is no run {where}", hint=hint)
        if len(newest) <= back:
            raise AwsrunError(f"there is no run {run} {where}", f"runs in all: {len(newest)}", "awsrun runs")
        run = newest[back][1].run
    found: dict[str, Site] = {}
    for site in sites(cloud, stack):
        for name in _starting(site, run):
            found.setdefault(name, site)
    for path in export.listed(data_dir() / "runs", cloud):
        if path.stem.startswith(run) and path.stem not in found:
            kept = export.load(path)
            found[kept.run] = Site(kept.stack, kept.store)
    if run in found:
        return found[run], run
    if len(found) == 1:
        ((name, site),) = found.items()
        return site, name
    if found:
        names = ", ".join(sorted(found)[:5]) + ", ..." * (len(found) > 5)
        raise AwsrunError(f"{run!r} fits several runs", names, "type more of the one you mean")
    near = difflib.get_close_matches(run, [entry.run for _, entry in entries(cloud, stack)], n=1)
    hint = f"did you mean {near[0]}?" if near else "awsrun runs"
    raise AwsrunError(f"there is no run {run!r} in context {cloud.context}", hint=hint)


def _site(cloud: Cloud, record: stacks.StackRecord) -> Site:
    if not record.jobs:
        raise AwsrunError(f"stack {record.stack!r} has no place for jobs", "a run needs a queue and a job definition")
    # the table's protocol knows its own writes again, so the client that repeats is the right one for both directions
    table = DynamoTable(cloud.read("dynamodb"), record.jobs["table"])
    return Site(record.stack, RunStore(table), cloud, record.jobs)


def _listed(site: Site) -> list[RunEntry]:
    return _unless_gone(lambda: site.store.runs())


def _starting(site: Site, prefix: str) -> list[str]:
    return _unless_gone(lambda: [str(item["sk"]) for item in site.store.table.query("RUNS", prefix, limit=6)])


def _unless_gone(read: Callable[[], list[T]]) -> list[T]:
    """A table that is just being torn down holds no runs."""
    from botocore.exceptions import ClientError

    try:
        return read()
    except ClientError as error:
        if matches(error, stacks.ABSENT):
            return []
        raise
