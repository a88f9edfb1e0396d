"""Trials that an earlier run has done already: the same code, image, parameters and seed give the same result.

No index is kept for that.  A trial's seed is a function of the run's seed and the trial's number, so in an earlier run
of the same seed only the trial of the same number can be the same one: one read tells, and none where its parameters,
which are a function of the number, too, are others.  The submit has chosen the earlier runs (see
``awsrun/jobs/submit/reuse.py``): what is compared here is the parameters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from awsrun.worker.protocol import space
from awsrun.worker.protocol.records import Me, Run, TrialRecord
from awsrun.worker.protocol.store import RunStore


class Reuse:
    """Finds the results of earlier runs, the newest one first."""

    def __init__(self, store: RunStore, run: Run) -> None:
        self._store, self._run = store, run
        self._earlier: list[Run] | None = None

    def trial(self, n: int, params: Mapping[str, Any], me: Me, now_ms: int) -> TrialRecord | None:
        """Trial ``n`` as it is here if an earlier run has done it; else None."""
        wanted = json.loads(json.dumps(dict(params)))
        for earlier in self._runs():
            if n >= earlier.total or not _may_match(earlier, n, wanted):
                continue
            found = self._store.trial(earlier.run, n)
            if found is not None and found.state == "done" and found.params == wanted:
                origin = {"run": earlier.run, "n": n, "attempt": found.attempt, "since": found.since}
                origin["seconds"] = found.seconds
                return replace(
                    found, attempt=1, owner=str(me), losses=(), failures=0, since=1, log_stream="", started_ms=now_ms,
                    ended_ms=now_ms, spent_ms=0, lost_ms=0, rung=0, reused=found.reused or origin,
                )  # fmt: skip
        return None

    def _runs(self) -> list[Run]:
        if self._earlier is None:
            self._earlier = [run for run in map(self._store.run, self._run.reuse) if run is not None]
        return self._earlier


def _may_match(earlier: Run, n: int, params: Mapping[str, Any]) -> bool:
    """False where the earlier trial's parameters are known to be others, without a read."""
    if earlier.space["search"] not in ("grid", "random"):
        return True
    return bool(json.loads(json.dumps(space.params(earlier.space, earlier.seed, n))) == params)
