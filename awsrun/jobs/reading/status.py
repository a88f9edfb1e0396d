"""How a run is getting on, derived from the table and from Batch; no count is stored anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from awsrun.jobs.reading.costs import Costs
from awsrun.jobs.reading.reader import Best, Tally
from awsrun.jobs.workers import image
from awsrun.jobs.workers.stages import ALIVE, Stages
from awsrun.worker.protocol.records import SETTLED, TrialRecord
from awsrun.worker.protocol.runs import FINAL, ON_HOLD, Limits, Run

_UNITS = ((3600, "h"), (60, "min"))
PATIENCE = 60.0  # seconds without capacity before asking why; also how long Batch may not know a job it took


@dataclass(frozen=True)
class Status:
    """A run at one moment.

    Attributes:
        state: ``running``, ``paused``, ``done``, ``failed``, ``cancelled``; ``stalled``: not finished and no worker is
            left; ``not started``: its workers were never asked for.
        counts: trial state -> how many, of those that have started.
        pending: trials that have not started.
        workers: stage -> how many, for a run that is not over.
        fixed: parameters that are the same for every trial.
        eta: seconds left by the trials so far; None while unknown.
        seconds: what the trials took together, over all attempts.
        lost: how many of the seconds ended with a lost worker.
        reasons: why workers wait, failed or were not started, as AWS says it.
        error: why the run failed: type, message, file, line, traceback.
        hint: the command that mends it, empty if nothing is wrong.
        stops: what ends the run before all its trials have run, in words; empty if nothing does.
        stopped: what did.
        costs: so far, by list price; None where nobody asked.
        elapsed: seconds since the submit.
        recent: trials that ended last, the latest first; without those of shards that are read by their summary.
        reused: how many of the done ones were taken from earlier runs.
        image: what its workers were started from, in words.
        image_used: False where they were processes of this machine instead.
        called_off: workers that had not begun when the run was over, where somebody waited for its end.
        failures: a few trials that failed, likewise: those that took their workers with them first, then by number.
    """

    run: str
    job: str
    state: str
    total: int
    counts: Mapping[str, int] = field(default_factory=dict)
    pending: int = 0
    workers: Mapping[str, int] = field(default_factory=dict)
    best: Best | None = None
    metric: str = ""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    eta: float | None = None
    seconds: float = 0.0
    lost: float = 0.0
    reasons: Sequence[str] = ()
    error: Mapping[str, Any] | None = None
    hint: str = ""
    stops: str = ""
    stopped: str = ""
    costs: Costs | None = None
    elapsed: float = 0.0
    recent: Sequence[TrialRecord] = ()
    failures: Sequence[TrialRecord] = ()
    reused: int = 0
    image: str = ""
    image_used: bool = True
    called_off: int = 0

    @property
    def stage(self) -> str:
        """What is new when it changes: workers until the first trial has ended, then failures and the state."""
        if not self.done and not self.failed:
            return f"{self.state} {', '.join(self.workers)} {bool(self.counts)}"
        return f"{self.state} {bool(self.failed)}"

    @property
    def aside(self) -> Sequence[TrialRecord]:
        """Those of the failures that were set aside because they took their workers with them."""
        return [trial for trial in self.failures if trial.last is not trial]

    @property
    def over(self) -> bool:
        """Nothing more will happen by itself."""
        return self.state not in ("running", "retrying")

    @property
    def done(self) -> int:
        return self.counts.get("done", 0)

    @property
    def failed(self) -> int:
        return self.counts.get("failed", 0)

    @property
    def running(self) -> int:
        return sum(self.counts.get(state, 0) for state in ("run", "retry"))

    def record(self) -> dict[str, Any]:
        """As ``show --json`` prints it."""
        best = self.best and {"n": self.best.n, "value": self.best.value, "params": self.best.params}
        return {
            "run": self.run,
            "job": self.job,
            "state": self.state,
            "total": self.total,
            "done": self.done,
            "failed": self.failed,
            "running": self.running,
            "pending": self.pending,
            "counts": dict(self.counts),
            "workers": dict(self.workers),
            "metric": self.metric or None,
            "best": best,
            "eta": self.eta,
            "seconds": self.seconds,
            "lost_seconds": self.lost,
            "reasons": list(self.reasons),
            "error": dict(self.error) if self.error else None,
            "hint": self.hint,
            "stops": self.stops,
            "stopped": self.stopped,
            "aside": [{"trial": trial.n, "why": (trial.error or {}).get("message")} for trial in self.aside],
            "reused": self.reused,
            "image": self.image,
            "cost": self.costs.record() if self.costs else None,
        }


def derive(run: Run, tally: Tally, stages: Stages, now: float, submitted: float) -> Status:
    """The status of a run.

    Args:
        now, submitted: seconds since the epoch.
    """
    counts = dict(tally.counts)
    state, hint = _state(run, stages, now, submitted)
    started = sum(counts.values())
    if state in ("cancelled", "failed"):  # what was under way when the run ended will not settle any more
        lost = sum(counts.pop(name, 0) for name in ("run", "retry", "paused"))
        counts = counts | {"cancelled": counts.get("cancelled", 0) + lost} if lost else counts
    if not hint:
        hint = _advice(run, state, tally)
    return Status(
        run=run.run,
        job=run.job,
        state=state,
        total=run.total,
        counts=counts,
        pending=run.total - started,
        workers=_shown(run, stages),
        best=tally.best,
        metric=run.metric,
        fixed=run.fixed,
        eta=_eta(run, tally, stages) if state == "running" else None,
        seconds=round(tally.seconds, 3),
        lost=round(tally.lost, 3),
        reasons=() if run.state in FINAL or run.state == ON_HOLD else stages.reasons,
        error=run.error,
        hint=hint,
        stops=stops(run.limits, run.metric),
        stopped=run.cut_why,
        elapsed=max(0.0, now - submitted),
        recent=tally.recent,
        failures=tally.failed,
        reused=tally.reused,
        image=image.told(run),
        image_used=image.of_run(run).used,
    )


def _advice(run: Run, state: str, tally: Tally) -> str:
    """What to do about failures, or about a metric that no trial has; empty if there is nothing to do."""
    if state == "failed":
        return f"awsrun logs {run.run}; then submit the mended job, or, if it was not the job: awsrun retry {run.run}"
    if state == "done" and tally.counts["failed"]:
        trial = f" {tally.failed[0].n}" if tally.failed else ""
        return f"awsrun logs {run.run}{trial}; to run what failed again: awsrun retry {run.run}"
    if run.metric and tally.best is None and tally.counts["done"]:
        return f"no trial has a {run.metric}: return it from the job, or report it, as a number of that name"
    return ""


def stops(limits: Limits, metric: str) -> str:
    """What ends a run early: ``2 h has passed or $5 is spent``."""
    unit, name = next(((unit, name) for unit, name in _UNITS if limits.max_seconds % unit == 0), (1, "s"))
    parts = [
        f"{limits.max_seconds / unit:g} {name} has passed" if limits.max_seconds else "",
        f"${limits.max_cost:g} is spent" if limits.max_cost else "",
        f"{metric} is {limits.until:g} or better" if limits.until is not None else "",
    ]
    return " or ".join(part for part in parts if part)


def trial_state(run: Run, trial: TrialRecord) -> str:
    """A trial's state as a user sees it: one that was under way when its run ended is cancelled."""
    return "cancelled" if run.state in ("cancelled", "failed") and not trial.settled else trial.state


def _shown(run: Run, stages: Stages) -> Mapping[str, int]:
    """The workers worth showing: of a paused run, those that are not gone yet."""
    if run.state == ON_HOLD:
        return {stage: number for stage, number in stages.counts.items() if stage in ALIVE}
    return {} if run.state in FINAL else stages.counts


def _state(run: Run, stages: Stages, now: float, submitted: float) -> tuple[str, str]:
    resume = f"awsrun resume {run.run}"
    if run.state in FINAL:
        return run.state, ""
    if run.state == ON_HOLD:
        return ON_HOLD, resume
    if not run.engine.get("groups"):
        return ("running", "") if now - submitted < 10 else ("not started", resume)
    if stages.alive or (now - submitted < PATIENCE and not stages.counts):
        return run.state, ""
    failed = stages.counts.get("failed")
    return "stalled", f"awsrun logs {run.run}; when it is mended: {resume}" if failed else resume


def _eta(run: Run, tally: Tally, stages: Stages) -> float | None:
    """The mean time of a trial times what is left, over the workers that run; most that are paused will be stopped."""
    settled = sum(tally.counts[state] for state in SETTLED | {"paused"})
    ran = settled - tally.reused
    working = stages.counts.get("running", 0)
    if not tally.counts["done"] or not working or not tally.seconds or not ran:
        return None
    return round(tally.seconds / ran * (run.total - settled) / min(working, max(1, run.total - settled)), 1)
