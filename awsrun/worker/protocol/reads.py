"""What can be read of a run.  Every read is strong; none is an index."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from awsrun.worker.protocol.records import (
    FINAL,
    SHARD,
    Me,
    Report,
    Run,
    RunEntry,
    RunStatus,
    Shard,
    Standing,
    TrialRecord,
    Worker,
    standing_key,
    trial_key,
)
from awsrun.worker.protocol.table import Condition, ConditionFailed, Item, Table, Unanswered, Value

PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 30.0, 30.0, 30.0)
"""Seconds between repeats of a write whose answer was lost: about three minutes in all.  See also `patience`."""


Mine = Callable[[Item], bool]


def _never(old: Item) -> bool:
    return False


@dataclass(frozen=True)
class Outcome:
    """What came of a conditional write.

    Attributes:
        ok: it happened, now or in an earlier copy of the same write.
        item: the item as it is then (None: the write was refused because there is none, or it was a put).
    """

    ok: bool
    item: Item | None


class Reads:
    """Reads of the runs table, and the one way in which the store writes.

    Args:
        table: where the records are.
        sleep: waits some seconds between repeats of an unanswered write.
    """

    def __init__(
        self, table: Table, sleep: Callable[[float], None] = time.sleep, pauses: Sequence[float] = PAUSES
    ) -> None:
        self.table = table
        self._sleep = sleep
        self._pauses = pauses

    def run(self, run: str) -> Run | None:
        """A run's whole record, or None."""
        items = {str(item["sk"]): item for item in self.table.query(run)}
        return Run.from_items(items["R"], items["RD"]) if {"R", "RD"} <= items.keys() else None

    def status(self, run: str) -> RunStatus:
        """The part of a run that changes: one small read.

        Raises:
            LookupError: there is no such run.
        """
        item = self.table.get(run, "R")
        if item is None:
            raise LookupError(f"there is no run {run!r}")
        return RunStatus.from_item(item)

    def runs(self, limit: int | None = None) -> list[RunEntry]:
        """The list of runs, the greatest run id first; one more small read for each that is not over."""
        found = []
        for item in self.table.query("RUNS", limit=limit, backwards=True):
            run, state = str(item["sk"]), str(item.get("state", ""))
            if state not in FINAL:
                hot = self.table.get(run, "R")
                if hot is None:  # the submit was killed between the two writes
                    continue
                state = str(hot["state"])
            job, submitted_at = str(item.get("job", "")), str(item.get("submitted_at", ""))
            found.append(RunEntry(run, job, int(item.get("total", 0)), state, submitted_at))
        return found

    def workers(self, run: str) -> list[Worker]:
        """Every worker that ever registered (its latest start), by slot."""
        return [Worker.from_item(item) for item in self.table.query(f"{run}#W")]

    def worker(self, run: str, slot: int) -> Worker | None:
        item = self.table.get(f"{run}#W", slot_key(slot))
        return None if item is None else Worker.from_item(item)

    def trials(self, run: str, shard: int, first: int = 0) -> list[TrialRecord]:
        """The trials of a shard that have started, by number; only those from trial ``first`` on."""
        _, start = trial_key(run, max(first, shard * SHARD))
        return [TrialRecord.from_item(item) for item in self.table.query(trial_key(run, shard * SHARD)[0], start=start)]

    def trial(self, run: str, n: int) -> TrialRecord | None:
        item = self.table.get(*trial_key(run, n))
        return None if item is None else TrialRecord.from_item(item)

    def shards(self, run: str, generation: int) -> dict[int, Shard]:
        """The summaries of the shards that are sealed in this generation of the run."""
        sealed = (Shard.from_item(item) for item in self.table.query(f"{run}#S"))
        return {shard.shard: shard for shard in sealed if shard.generation == generation}

    def shard(self, run: str, shard: int, generation: int) -> Shard | None:
        """One shard's summary, if it is sealed in this generation."""
        item = self.table.get(f"{run}#S", shard_key(shard))
        found = None if item is None else Shard.from_item(item)
        return found if found is not None and found.generation == generation else None

    def reports(self, run: str, n: int) -> list[Report]:
        """Every report of a trial, by attempt and step; ``records.curve`` makes one history of them."""
        return [Report.from_item(item) for item in self.table.query(f"{run}#P#{n}")]

    def last_report(self, run: str, n: int) -> Report | None:
        """What a trial's latest attempt that reported anything reported last."""
        found = self.table.query(f"{run}#P#{n}", limit=1, backwards=True)
        return next(map(Report.from_item, found), None)

    def lived_ms(self, run: str, trial: TrialRecord, beat: float) -> int:
        """How long an attempt ran whose worker was lost: until its last report, or its worker's last heartbeat.

        All three times are of one clock, the lost worker's.  An attempt that showed no life counts nothing.

        Args:
            beat: seconds between two heartbeats.
        """
        owner = Me.parse(trial.owner)
        worker, report = self.worker(run, owner.slot), self.last_report(run, trial.n)
        seen = worker.seen_ms(beat, owner.boot) if worker else 0
        said = report.at_ms if report and report.attempt == trial.attempt else 0
        return max(0, seen - trial.started_ms, said - trial.started_ms)

    def standings(self, run: str, rung: int | None = None) -> list[Standing]:
        """Who stands where at a rung, or at every one."""
        prefix = "" if rung is None else standing_key(rung)
        return [Standing.from_item(item) for item in self.table.query(f"{run}#R", prefix)]

    def stood(self, run: str, rung: int, n: int) -> bool:
        """Whether a trial has ever reached a rung."""
        return self.table.get(f"{run}#R", standing_key(rung, n)) is not None

    def put_reports(self, run: str, reports: Iterable[Report]) -> None:
        """Write reports; a repeat writes the same items again."""
        items = [report.to_item(run) for report in reports]
        if items:
            self._certain(lambda: self.table.put_all(items), _never)

    def _put(self, item: Item, when: Condition = (), mine: Mine = _never) -> Outcome:
        """Put an item until it is known whether it happened."""
        return self._certain(lambda: self.table.put(item, when), mine)

    def _update(
        self,
        key: tuple[str, str],
        put: Mapping[str, Value],
        when: Condition = (),
        mine: Mine = _never,
        add: Mapping[str, int] | None = None,
    ) -> Outcome:
        """Update an item until it is known whether it happened."""
        return self._certain(lambda: self.table.update(*key, put, add, when), mine)

    def _certain(self, write: Callable[[], Item | None], mine: Mine) -> Outcome:
        """Do a write until it is known whether it happened.

        ``mine`` tells from the item that refused the write whether an earlier copy of the same write made it: botocore
        and this loop repeat what was not answered.

        Raises:
            Unanswered: no answer for about three minutes.
        """
        for pause in (*self._pauses, None):
            try:
                return Outcome(True, write())
            except ConditionFailed as refused:
                return Outcome(refused.old is not None and mine(refused.old), refused.old)
            except Unanswered:
                if pause is None:
                    raise
                self._sleep(pause)
        raise AssertionError("unreachable")


def slot_key(slot: int) -> str:
    """Sort key of a worker."""
    return f"{slot:06d}"


def shard_key(shard: int) -> str:
    """Sort key of a sealed shard."""
    return f"{shard:06d}"
