"""Following a run on the terminal: one line that changes, or a line per change where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from awsrun.cli.output import say

if TYPE_CHECKING:
    from awsrun.jobs.reading.costs import Costs
    from awsrun.jobs.reading.status import Status
    from awsrun.jobs.run import Run
    from awsrun.worker.protocol.records import TrialRecord

_STAGES = {
    "submitted": "submitted",
    "waiting": "waiting for capacity",
    "starting": "starting",
    "running": "running",
    "failed": "failed",
}
QUOTED = 3  # trials that failed whose errors, or last lines, are shown
LONGEST = 60  # characters of parameters in a line that goes on
QUIET = 30.0  # seconds between two lines of a log that say how far a run is
WORDS = {"run": "running", "retry": "waiting to run again", "paused": "paused at a rung", "stopped": "stopped early"}
"""A trial's states as a person says them."""
_USUAL = {"waiting": "usually 1-5 min on AWS", "starting": "usually 1-3 min on AWS"}


def follow(run: Run) -> int:
    """Show progress until the run is over; the exit code.  Ctrl-C leaves the run going."""
    line = Line(sys.stderr.isatty())
    try:
        status = run.wait(progress=lambda status: line.show(brief(status), status.stage))
    except KeyboardInterrupt:
        line.end()
        say(f"{run.id} goes on without this terminal")
        say(f"  follow it: awsrun show {run.id} --watch\n  stop it:   awsrun cancel {run.id}")
        return 130
    line.end()
    conclude(status)
    return exit_code(status)


def called_off(number: int) -> None:
    """Say how many workers will not begin any more, if there are any."""
    if number:
        say(f"  {number:,} worker{'s' * (number > 1)} that had not begun {'were' if number > 1 else 'was'} called off")


def missing(run: Run) -> None:
    """Say which workers AWS did not start, and that those that it did start from another image than those before."""
    from awsrun.jobs.workers import image, launch

    record = run.record
    for reason in launch.missing(record):
        say(click.style(reason, fg="yellow") + f"\n→ to ask for them again: awsrun resume {run.id}")
    if image.mixed(record):
        say(
            click.style(f"not all its workers start from the same image: {image.told(record, short=True)}", fg="yellow")
        )


def exit_code(status: Status) -> int:
    """0 if the run is done and no trial has failed."""
    return 0 if status.state == "done" and not status.failed else 1


def brief(status: Status) -> str:
    """A run in one line: ``4/9 done, 2 running, best 95.9 % (lr=0.1), 20 s left``."""
    parts = [f"{status.done:,}/{status.total:,} done"]
    parts += [
        f"{number:,} {name}" for name, number in (("running", status.running), ("failed", status.failed)) if number
    ]
    parts += [f"{status.counts[state]:,} {WORDS[state]}" for state in ("paused", "stopped") if status.counts.get(state)]
    if not status.counts and status.workers:
        parts = [workers(status.workers)]
        stage = next((stage for stage in ("waiting", "starting") if stage in status.workers), "")
        if stage and "running" not in status.workers:
            parts[0] += f" ({_USUAL[stage]})"
    if status.best:
        by = parameters(status.best.params, status.fixed)
        shown = by if len(by) <= LONGEST else f"{by[: LONGEST - 1]}…"
        parts.append(f"best {measured(status.metric, status.best.value)} ({shown})")
    if status.eta:
        parts.append(f"about {lasting(status.eta)} left")
    return f"{status.run}: {', '.join(parts)}"


def headline(status: Status) -> None:
    """Say how it ended."""
    colours = {"done": "green", "running": None, "retrying": None, "paused": "yellow"}
    say(click.style(f"{status.run} is {status.state}", fg=colours.get(status.state, "red")) + f": {counted(status)}")


def failed(status: Status) -> Iterator[str]:
    """A line for each of some trials that failed: which, and why."""
    from awsrun.jobs.views.table import error_line

    shown = status.failures[:QUOTED]
    yield from (f"trial {trial.n}: {error_line(trial)}" for trial in shown)
    if status.failed > len(shown) > 0:
        yield f"and {status.failed - len(shown):,} more: awsrun results {status.run}"


def conclude(status: Status) -> None:
    """Say how it ended, why, and what to type next."""
    headline(status)
    if status.stopped:
        say(f"  no further trial started: {status.stopped}")
    called_off(status.called_off)
    for reason in status.reasons:
        say(f"  AWS says: {reason}")
    if status.error:
        say(str(status.error.get("traceback") or status.error.get("message") or "").rstrip())
    if not (status.error or {}).get("traceback"):
        for line in failed(status):
            say(click.style(line, fg="red"))
    if status.hint:
        say(f"→ {status.hint}")


def last_words(run: Run, trials: Iterable[TrialRecord]) -> None:
    """Say what trials wrote last that were killed, or their workers with them: they left no traceback."""
    killed = (trial for trial in trials if trial.state == "failed" and {"tail", "ran"} & (trial.error or {}).keys())
    for trial in islice(killed, QUOTED):
        if lines := run.tail(trial.n):
            say(f"the last lines of trial {trial.n} (all of them: awsrun logs {run.id} {trial.n}):")
            say(click.style("\n".join(f"  {line}" for line in lines), dim=True))


def counted(status: Status) -> str:
    """``7 done, 1 failed, 1 pending``."""
    order = [*status.counts] if "done" not in status.counts else ["done", *(s for s in status.counts if s != "done")]
    counts = [(WORDS.get(state, state), status.counts[state]) for state in order]
    parts = [f"{number:,} {word}" for word, number in [*counts, ("pending", status.pending)] if number]
    text = ", ".join(parts) or "nothing has started"
    return text.replace(" done", f" done ({status.reused:,} reused)", 1) if status.reused else text


def workers(counts: Mapping[str, int]) -> str:
    """Workers by stage: ``2 workers running, 3 waiting for capacity``."""
    shown = [(number, _STAGES[stage]) for stage, number in reversed(list(counts.items())) if stage in _STAGES]
    first = f"{shown[0][0]:,} worker{'s' * (shown[0][0] > 1)} {shown[0][1]}" if shown else "no workers"
    return ", ".join([first, *(f"{number:,} {stage}" for number, stage in shown[1:])])


def measured(metric: str, value: float) -> str:
    """A metric's value as a person writes it: 0.9912 of an accuracy is 99.1 %."""
    from awsrun.jobs.style import scale_of

    return scale_of(metric, [value]).text(value)


def parameters(params: Mapping[str, Any], fixed: Mapping[str, Any] | None = None) -> str:
    """``lr=0.1, momentum=0.5``, without what is the same for all."""
    from awsrun.jobs.style import short

    return ", ".join(f"{name}={short(value)}" for name, value in params.items() if name not in (fixed or {}))


def spent(costs: Costs) -> str:
    """``$0.42 so far``, or that it is free; empty where nobody knows."""
    from awsrun.prices.price import dollars

    if not costs.billed:
        return "free (embedded cloud)"
    there = lasting(3600 * costs.hours) + " of workers"
    if costs.idle is not None:
        there += f", {lasting(3600 * costs.idle)} of it starting or waiting"
    return "" if costs.total is None else f"{dollars(costs.total)} by list price ({there})"


def priced(costs: Costs) -> str:
    """A run's costs in all, per trial and per point; on the embedded cloud, what the workers would cost on AWS."""
    from awsrun.prices.price import dollars

    if not costs.billed:
        return (
            f"free here; on AWS its workers would have cost about {dollars(costs.on_aws)} for as long"
            if costs.on_aws
            else ""
        )
    if costs.total is None:
        return ""
    idle = costs.of_idle
    parted = f" ({dollars(costs.total - idle)} for trials' time, {dollars(idle)} for starts and waits)" if idle else ""
    parts = [f"{dollars(costs.total)} by list price{parted}"]
    parts += [f"{dollars(costs.per_trial)} per trial"] if costs.per_trial else []
    parts += [f"{dollars(costs.per_point)} per {costs.unit} gained on the median trial"] if costs.per_point else []
    return ", ".join(parts)


def took(status: Status) -> str:
    """What the trials took, over all attempts, and how much of it ended with a lost worker."""
    lost = f" ({lasting(status.lost)} of it with workers that were lost)" if status.lost else ""
    return lasting(status.seconds) + lost if status.seconds else ""


def lasting(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


class Line:
    """The last line of the terminal; elsewhere lines of a log.

    Args:
        clock: seconds.
    """

    def __init__(self, terminal: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._terminal = terminal
        self._clock = clock
        self._last = self._stage = ""
        self._said = -QUIET

    def show(self, text: str, stage: str = "") -> None:
        """Show ``text``, if it is new; in a log not more often than every `QUIET` seconds within one stage."""
        if text == self._last or not (self._terminal or self._due(stage or text)):
            return
        self._last = text
        if self._terminal:
            click.echo(f"\r\x1b[2K{text[: _width() - 1]}", nl=False, err=True, color=True)
        else:
            say(text)

    def _due(self, stage: str) -> bool:
        if stage == self._stage and self._clock() - self._said < QUIET:
            return False
        self._stage, self._said = stage, self._clock()
        return True

    def end(self) -> None:
        if self._terminal and self._last:
            click.echo(err=True)


def _width() -> int:
    import shutil

    return shutil.get_terminal_size().columns
