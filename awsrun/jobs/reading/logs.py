"""What trials wrote, from CloudWatch.  A worker prefixes each line of a trial with ``[tN.ATTEMPT] ``."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError, matches
from awsrun.jobs.reading.reader import Reader, absent
from awsrun.jobs.site import Site
from awsrun.jobs.workers import engines
from awsrun.worker.protocol.records import FINAL, Me, Run, TrialRecord, Worker

POLL = 2.0  # seconds between two looks
LINGER = 10.0  # seconds without a line, once all is over, after which none is waited for any more
LATE_MS = 30_000  # lines arrive late, and not in their order
_OF_TRIAL = re.compile(r"^\[t(\d+)\.(\d+)\] ?")
_ENDING = re.compile(r"awsrun: .+ after \S+ s")
_ABSENT = ("ResourceNotFoundException",)
_LIST_EVERY = 5  # looks between two readings of who the workers are


@dataclass(frozen=True)
class Line:
    """One line of output.

    Attributes:
        at_ms: when it was written, by CloudWatch: milliseconds since 1970.
        trial: whose it is; None for what a worker says of itself.
        worker: the slot of who wrote it, if known.
        stream: of the run's log group.
    """

    at_ms: int
    text: str
    trial: int | None = None
    attempt: int | None = None
    worker: int | None = None
    stream: str = ""

    def record(self) -> dict[str, Any]:
        """For JSON: ``time`` in ISO 8601 with milliseconds, UTC; what is not known is null."""
        at = datetime.fromtimestamp(self.at_ms / 1000, timezone.utc).isoformat(timespec="milliseconds")
        known = {name: value for name, value in asdict(self).items() if name not in ("at_ms", "text")}
        return {"time": at, **known, "text": self.text}


@dataclass
class Tail:
    """New events of some log streams, each once.

    What is remembered of earlier events is bounded: the ids of those that are so new that they are read again.
    """

    cloud: Cloud
    group: str
    since_ms: int = 0
    _seen: dict[str, int] = field(default_factory=dict)

    def read(self, streams: Collection[str], until_ms: int | None = None) -> Iterator[tuple[str, int, str]]:
        """(stream, time in ms, message) of what has come since the last time, by time.

        CloudWatch sorts the events of one request.  Of more streams than a request can name, all are read that begin
        alike, and those of others dropped: the number of calls does not grow with that of workers.
        """
        newest = self.since_ms
        for event in self._events(sorted(streams), until_ms):
            at = int(event["timestamp"])
            newest = max(newest, at - LATE_MS)
            if event["eventId"] not in self._seen:
                self._seen[event["eventId"]] = at
                yield str(event["logStreamName"]), at, str(event["message"])
        self.since_ms = newest
        self._seen = {event: at for event, at in self._seen.items() if at >= newest}

    def _events(self, streams: Sequence[str], until_ms: int | None) -> Iterator[dict[str, Any]]:
        if not streams:
            return
        request: dict[str, Any] = {"logGroupName": self.group, "startTime": self.since_ms, "interleaved": True}
        if until_ms is not None:
            request["endTime"] = until_ms
        if len(streams) == 1:
            yield from self._pages({**request, "logStreamNames": list(streams)})
            return
        # A single name that does not exist yet would have the whole request refused, so several are never named.
        if prefix := os.path.commonprefix(streams):  # noqa: RUF071 (names are no paths)
            request["logStreamNamePrefix"] = prefix
        wanted = frozenset(streams)
        yield from (event for event in self._pages(request) if event["logStreamName"] in wanted)

    def _pages(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        from botocore.exceptions import ClientError

        try:
            for page in self.cloud.read("logs").get_paginator("filter_log_events").paginate(**request):
                yield from page["events"]
        except ClientError as error:  # the stream comes with its first line
            if not matches(error, _ABSENT):
                raise


def parse(at_ms: int, message: str, worker: int | None = None, stream: str = "") -> Line:
    """A log event as a line, its trial taken from the prefix."""
    text = message.rstrip("\r\n")
    if found := _OF_TRIAL.match(text):
        return Line(at_ms, text[found.end() :], int(found[1]), int(found[2]), worker, stream)
    return Line(at_ms, text, worker=worker, stream=stream)


def lines(
    site: Site, run: str, n: int | None = None, follow: bool = False, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Line]:
    """The lines of trial ``n`` (its latest attempt), or of all workers, by time; with ``follow`` until it is over.

    The last lines arrive after the run or the trial is over: they are waited for.

    Raises:
        AwsrunError: no such trial, it has not started, or the stack keeps no logs.
    """
    cloud, _ = site.live()
    whole = Reader(site.store, run).run()
    if not whole.log_group:
        raise AwsrunError(f"the stack {site.stack} keeps no logs", "its job definition names no log group")
    if n is not None and not 0 <= n < whole.total:
        raise absent(whole, n)
    source = _Workers(site, cloud, whole) if n is None else _Trial(site, cloud, whole, n, follow)
    patience, silent = max(POLL, LINGER * cloud.time_scale), 0.0
    while True:
        over = source.over()  # asked before the lines are read: what was written before it is over comes after
        for line in source.lines():
            silent = 0.0
            yield line
        if not follow or source.complete or (over and silent >= patience):
            return
        sleep(POLL)
        silent = silent + POLL if over else 0.0


class _Workers:
    """The output of all workers of a run.

    Attributes:
        complete: the last line there is has been read; never known of workers.
    """

    complete = False

    def __init__(self, site: Site, cloud: Cloud, run: Run) -> None:
        self._site, self._cloud, self._run = site, cloud, run
        self._tail = Tail(cloud, run.log_group, _submitted_ms(run))
        self._until = run.ended_ms + LATE_MS if run.state in FINAL and run.ended_ms else None
        self._slots: dict[str, int | None] = {}
        self._looks = 0
        self._ended = False

    def over(self) -> bool:
        ended = self._site.store.status(self._run.run).state in FINAL
        if ended != self._ended or self._looks % _LIST_EVERY == 0:
            self._slots = _streams(self._site, self._run, self._site.store.workers(self._run.run))
            if not ended:
                self._slots = {**dict.fromkeys(_fallen(self._site, self._run)), **self._slots}
        self._looks += 1
        self._ended = ended
        return ended

    def lines(self) -> Iterator[Line]:
        for stream, at, message in self._tail.read(self._slots, self._until):
            yield parse(at, message, self._slots.get(stream), stream)


class _Trial:
    """The output of the latest attempt of one trial that ran."""

    def __init__(self, site: Site, cloud: Cloud, run: Run, n: int, follow: bool) -> None:
        self._site, self._cloud, self._run, self._n, self._follow = site, cloud, run, n, follow
        self._tail = Tail(cloud, run.log_group, _submitted_ms(run))
        self._trial: TrialRecord | None = None
        self._said_end = 0

    def over(self) -> bool:
        run, n = self._run.run, self._n
        ended = self._site.store.status(run).state in FINAL
        self._trial = self._site.store.trial(run, n)
        if self._trial is None or not self._trial.owner:
            if not self._follow:
                raise AwsrunError(f"trial {n} of {run} has not started", hint=f"awsrun logs {run} {n} -f waits for it")
            return ended
        if origin := self._trial.reused:
            what = f"trial {n} of {run} did not run: its result is that of {origin['run']}"
            raise AwsrunError(what, "the same code, parameters and seed", f"awsrun logs {origin['run']} {origin['n']}")
        return ended or self._trial.settled

    def lines(self) -> Iterator[Line]:
        if self._trial is None or not self._trial.owner:
            return
        trial = self._trial.last
        self._tail.since_ms = max(self._tail.since_ms, trial.started_ms - LATE_MS)
        until = trial.ended_ms + LATE_MS if trial.ended_ms else None
        slot = Me.parse(trial.owner).slot
        for stream, at, message in self._tail.read(self._streams(trial), until):
            line = parse(at, message, slot, stream)
            if (line.trial, line.attempt) == (trial.n, trial.attempt):
                yield line
                if _ENDING.fullmatch(line.text):
                    self._said_end = trial.attempt

    @property
    def complete(self) -> bool:
        """The line with which a worker ends an attempt has been read, and no attempt follows."""
        return self._trial is not None and self._trial.settled and self._said_end == self._trial.attempt

    def _streams(self, trial: TrialRecord) -> Collection[str]:
        if trial.log_stream:
            return [trial.log_stream]
        worker = self._site.store.worker(self._run.run, Me.parse(trial.owner).slot)
        return _streams(self._site, self._run, [worker]) if worker else []


def tail(site: Site, run: Run, trial: TrialRecord, most: int = 10) -> list[str]:
    """The last lines of a failed trial that left no traceback; none where nobody knows them any more."""
    if kept := (trial.error or {}).get("tail"):
        return str(kept).splitlines()[-most:]
    if trial.last is trial or site.cloud is None or not run.log_group:
        return []
    found = deque((line.text for line in lines(site, run.run, trial.n)), most)
    return list(found)


def _submitted_ms(run: Run) -> int:
    """From when on lines of a run can be there."""
    return max(0, int(1000 * datetime.fromisoformat(run.submitted_at).timestamp()) - LATE_MS)


def _fallen(site: Site, run: Run) -> list[str]:
    """The streams of workers that failed before the table knew of them, for want of a right or of boto3."""
    engine = engines.of_run(site, run)
    return [stream for listed in engine.streams(run, engine.fallen(run)).values() for stream in listed]


def _streams(site: Site, run: Run, workers: Sequence[Worker]) -> dict[str, int | None]:
    """The workers' streams, with their slots; the engine knows those of workers that could not find out their own."""
    known: dict[str, int | None] = {worker.log_stream: worker.slot for worker in workers if worker.log_stream}
    asked = {worker.job_id: worker.slot for worker in workers if worker.job_id and not worker.log_stream}
    if asked:
        for job, streams in engines.of_run(site, run).streams(run, asked).items():
            known.update(dict.fromkeys(streams, asked.get(job)))
    return known
