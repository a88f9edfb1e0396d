"""A worker's identity, and its record in the runs table."""

from __future__ import annotations

from dataclasses import dataclass

from awsrun.worker.protocol.table import Item, Value

DONE, TERMINATED, FAILED = "done", "terminated", "failed"
"""How a worker left; see `Worker`."""


@dataclass(frozen=True, order=True)
class Me:
    """A worker's identity: its slot, and which start of that slot it is (1000 × engine attempt + re-registrations)."""

    slot: int
    boot: int

    def __str__(self) -> str:
        return f"{self.slot}.{self.boot}"

    @property
    def container(self) -> str:
        """The same for every registration of one container: what counts as one worker when losses are counted."""
        return f"{self.slot}.{self.boot // 1000}"

    @classmethod
    def parse(cls, text: str) -> Me:
        slot, boot = text.split(".")
        return cls(int(slot), int(boot))


@dataclass(frozen=True)
class Worker:
    """A worker's record.

    Attributes:
        beat: counts up; says nothing about time.
        dead: buried by another worker, or gone of its own accord.
        cmd: what it is told (``cancel N@ATTEMPT``), or empty.
        log_stream: where its output is in the run's log group, or empty.
        started_ms: by its own clock, since the epoch.
        job_id: the engine's id of its job, or empty.
        past_ms: how long its slot's earlier starts were there, together.
        former, former_ms: the start of the slot before this one, and when that showed life last; 0 if there was none.
        left: how it went: `DONE` with nothing left to do, `TERMINATED` as it was told to go, `FAILED`; empty as long as
            it is there, and for good if it was lost.
        asked: how often another worker has asked for a new start of its slot.
        awaited: which start was asked for last (2 is the second).
    """

    slot: int
    boot: int
    beat: int = 0
    dead: bool = False
    cmd: str = ""
    log_stream: str = ""
    started_ms: int = 0
    job_id: str = ""
    past_ms: int = 0
    former: int = 0
    former_ms: int = 0
    left: str = ""
    asked: int = 0
    awaited: int = 0

    @property
    def me(self) -> Me:
        return Me(self.slot, self.boot)

    @property
    def starts(self) -> int:
        """How often the engine has started its slot."""
        return max(1, self.boot // 1000)

    def seen_ms(self, beat: float, boot: int | None = None) -> int:
        """When it showed life last, by its heartbeats and its own clock; 0 where that is not known.

        Args:
            beat: seconds between two heartbeats.
            boot: of the start of its slot that is meant; this one unless given.
        """
        if boot in (None, self.boot):
            return self.started_ms + int(1000 * beat * self.beat) if self.started_ms else 0
        return self.former_ms if boot == self.former else 0

    def follows(self, beat: float) -> dict[str, Value]:
        """What the record of its slot's next start keeps of this one."""
        there = int(1000 * beat * (self.beat + 1)) if self.started_ms else 0
        return {"past_ms": self.past_ms + there, "former": self.boot, "former_ms": self.seen_ms(beat)}

    @classmethod
    def from_item(cls, item: Item) -> Worker:
        started = int(item.get("started_ms", 0))
        first = int(item.get("first_ms", 0)) or started  # what older runs have instead of ``past_ms``
        return cls(
            slot=int(item["sk"]),
            boot=int(item["boot"]),
            beat=int(item["beat"]),
            dead=bool(item["dead"]),
            cmd=str(item.get("cmd", "")),
            log_stream=str(item.get("log_stream", "")),
            started_ms=started,
            job_id=str(item.get("job_id", "")),
            past_ms=int(item.get("past_ms", started - first)),
            former=int(item.get("former", 0)),
            former_ms=int(item.get("former_ms", 0)),
            left=str(item.get("left", "")),
            asked=int(item.get("asked", 0)),
            awaited=int(item.get("awaited", 0)),
        )
