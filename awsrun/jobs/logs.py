"""What trials wrote, from CloudWatch.  A worker prefixes each line of a trial with ``[tN.ATTEMPT] ``."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError, matches
from awsrun.jobs import batch
from awsrun.jobs.reader import Reader
from awsrun.jobs.site import Site
from awsrun.worker.records import FINAL, Me, Run, TrialRecord, Worker

_OF_TRIAL = re.compile(r"^\[t(\d+)\.(\d+)\] ?")
_ABSENT = ("ResourceNotFoundException",)
_STREAMS = 100  # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
_LATE_MS = 30_000  # a worker's clock may be wrong, and lines arrive late
_POLL = 2.0


@dataclass(frozen=True)
class Line:
    """One line of output; ``trial`` is None for what a worker says of itself."""

    at_ms: int
    text: str
    trial: int | None = None
    attempt: int | None = None


@dataclass
class Tail:
    """New events of some log streams, each once."""

    cloud: Cloud
    group: str
    since_ms: int = 0
    _seen: set[str] = field(default_factory=set)

    def read(self, streams: Sequence[str], until_ms: int | None = None) -> list[Line]:
        """The lines that have come since the last time, by time."""
        found: list[Line] = []
        for first in range(0, len(streams), _STREAMS):
            found += self._read(streams[first : first + _STREAMS], until_ms)
        found.sort(key=lambda line: line.at_ms)
        if found:
            self.since_ms = max(self.since_ms, found[-1].at_ms - _LATE_MS)
        return found

    def _read(self, streams: Sequence[str], until_ms: int | None) -> Iterator[Line]:
        from botocore.exceptions import ClientError

        request: dict[str, Any] = {
            "logGroupName": self.group,
            "logStreamNames": list(streams),
            "startTime": self.since_ms,
        }
        if until_ms is not None:
            request["endTime"] = until_ms
        try:
            for page in self.cloud.read("logs").get_paginator("filter_log_events").paginate(**request):
                for event in page["events"]:
                    if event["eventId"] not in self._seen:
                        self._seen.add(event["eventId"])
                        yield parse(int(event["timestamp"]), str(event["message"]))
        except ClientError as error:  # the stream comes with its first line
            if not matches(error, _ABSENT):
                raise


def parse(at_ms: int, message: str) -> Line:
    """A log event as a line, its trial taken from the prefix."""
    text = message.rstrip("\r\n")
    if found := _OF_TRIAL.match(text):
        return Line(at_ms, text[found.end() :], int(found[1]), int(found[2]))
    return Line(at_ms, text)


def lines(
    site: Site, run: str, n: int | None = None, follow: bool = False, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Line]:
    """The lines of trial ``n`` (its latest attempt), or of all workers, by time; with ``follow`` until it is over.

    Raises:
        AwsrunError: no such trial, it has not started, or the stack keeps no logs.
    """
    cloud, _ = site.live()
    whole = Reader(site.store, run).run()
    if not whole.log_group:
        raise AwsrunError(f"the stack {site.stack} keeps no logs", "its job definition names no log group")
    if n is not None and not 0 <= n < whole.total:
        raise AwsrunError(f"{run} has no trial {n}", f"its trials are 0 to {whole.total - 1}")
    tail = Tail(cloud, whole.log_group)
    while True:
        over, found = _step(site, whole, n, tail, follow)
        yield from found
        if over or not follow:
            return
        sleep(_POLL)


def _step(site: Site, whole: Run, n: int | None, tail: Tail, follow: bool) -> tuple[bool, list[Line]]:
    """(nothing more will come, new lines).  What is over is asked before the lines are, so that none is missed."""
    run = whole.run
    ended = site.store.status(run).state in FINAL
    if n is None:
        streams = _streams(tail.cloud, site.store.workers(run))
        return ended, tail.read(streams if ended else _with_fallen(tail.cloud, whole, streams))
    trial = site.store.trial(run, n)
    if trial is None or not trial.owner:
        if not follow:
            raise AwsrunError(f"trial {n} of {run} has not started", hint=f"awsrun logs {run} {n} -f waits for it")
        return ended, []
    tail.since_ms = max(tail.since_ms, trial.started_ms - _LATE_MS)
    until = trial.ended_ms + _LATE_MS if trial.ended_ms else None
    found = tail.read(_of_trial(site, tail.cloud, run, trial), until)
    return ended or trial.settled, [line for line in found if (line.trial, line.attempt) == (n, trial.attempt)]


def _of_trial(site: Site, cloud: Cloud, run: str, trial: TrialRecord) -> list[str]:
    if trial.log_stream:
        return [trial.log_stream]
    worker = site.store.worker(run, Me.parse(trial.owner).slot)
    return _streams(cloud, [worker]) if worker else []


def _with_fallen(cloud: Cloud, run: Run, streams: Sequence[str]) -> list[str]:
    """These, and those of workers that failed before the table knew of them, for want of a right or of boto3."""
    fallen = batch.fallen(cloud, run.engine.get("groups", ()))
    found = (stream for listed in batch.log_streams(cloud, fallen).values() for stream in listed)
    return sorted({*streams, *found})


def _streams(cloud: Cloud, workers: Sequence[Worker]) -> list[str]:
    """The workers' streams; Batch knows those of workers that could not find out their own."""
    known = {worker.log_stream for worker in workers if worker.log_stream}
    asked = [worker.job_id for worker in workers if worker.job_id and not worker.log_stream]
    for streams in batch.log_streams(cloud, asked).values():
        known.update(streams)
    return sorted(known)
