"""The thread that shows that a worker lives, with a client of its own, and brings back what the worker is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from awsrun.worker.protocol.claims import Identity
from awsrun.worker.protocol.records import FINAL, ON_HOLD, Me
from awsrun.worker.protocol.store import RunStore
from awsrun.worker.protocol.table import Unanswered, Value
from awsrun.worker.regular import Regular


@dataclass(frozen=True)
class Notice:
    """Something the supervisor should know.

    Attributes:
        kind: ``over``: the run needs no more work; ``leave``: give the trial back and go; ``superseded``: the engine
            started this slot anew; ``reclaimed``: the machine ends in two minutes; ``cancel``: stop the trial ``n`` if
            it is in this attempt; ``broken``: the heartbeat cannot go on.
    """

    kind: Literal["over", "leave", "superseded", "reclaimed", "cancel", "broken"]
    n: int = 0
    attempt: int = 0
    why: str = ""


class Heartbeat(Regular):
    """Beats every ``every`` seconds until stopped.

    A worker that was buried alive registers anew; its trial goes on, and the commit decides whose it is.

    Args:
        now_ms: milliseconds since the epoch, for the record only.
    """

    def __init__(
        self,
        store: RunStore,
        run: str,
        who: Identity,
        every: float,
        tell: Callable[[Notice], None],
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        super().__init__("heartbeat")
        self._store, self._run, self._who, self._every, self._tell = store, run, who, every, tell
        self._now_ms = now_ms
        self._told: Notice | None = None
        self._due = time.monotonic()

    def _pause(self) -> float:
        """As long as it is to the next beat that is due: beats tell how long a worker was there."""
        now = time.monotonic()
        self._due = max(self._due + self._every, now)
        return self._due - now

    def _turn(self) -> bool:
        try:
            notice = self.beat()
        except Unanswered as error:
            print(f"[awsrun] heartbeat: {error}", flush=True)
            return True
        except Exception as error:  # whatever it is, a worker without a heartbeat must not go on unnoticed
            self._tell(Notice("broken", why=f"{type(error).__name__}: {error}"))
            return False
        if notice is not None and notice != self._told:
            self._told = notice
            self._tell(notice)
        return True

    def beat(self) -> Notice | None:
        """One beat; what it brought."""
        me = self._who.me
        worker = self._store.beat(self._run, me)
        if worker is None:
            if self._stopped.is_set():
                return None  # it has said goodbye meanwhile, and is not there any more
            again = self._register_anew(me)
            if again is None:
                return Notice("superseded")
            self._who.me = again
        state = self._store.status(self._run).state
        if state in FINAL:
            return Notice("over", why=state)
        if state == ON_HOLD:
            return Notice("leave", why="the run is paused")
        if worker is not None and worker.cmd.startswith("cancel "):
            n, attempt = worker.cmd.removeprefix("cancel ").split("@")
            return Notice("cancel", int(n), int(attempt))
        return None

    def _register_anew(self, me: Me) -> Me | None:
        """In this slot's next record it was there all the time, whatever its heartbeats say."""
        now, before = self._now_ms(), self._store.worker(self._run, me.slot)
        info: dict[str, Value] = {"started_ms": now}
        if before is not None and before.me == me:
            past = before.past_ms + max(0, now - before.started_ms)
            info |= {"past_ms": past, "former": me.boot, "former_ms": now}
        return self._store.register(self._run, Me(me.slot, me.boot + 1), info)
