"""How a search went: each trial as it ended, and the best value until then, over trials and over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.style import COLOURS, INK, MARK, MUTED, figure, finish, frame, name_of, scale_of
from awsrun.worker.protocol.records import TrialRecord, better
from awsrun.worker.protocol.runs import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TIMES = ((2 * 86400.0, 86400.0, "days"), (7200.0, 3600.0, "hours"), (120.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))


@dataclass(frozen=True)
class Point:
    """A trial that is done.

    Attributes:
        n: its number; ``count``: how many were done with it.
        seconds: from the submit until its end.
        best: the best value until then.
    """

    n: int
    count: int
    seconds: float
    value: float
    best: float


def history(run: Run, trials: Sequence[TrialRecord]) -> list[Point]:
    """The trials that are done and have a finite value, in the order in which they ended."""
    submitted = 1000 * datetime.fromisoformat(run.submitted_at).timestamp() if run.submitted_at else 0.0
    points: list[Point] = []
    best: float | None = None
    for trial in sorted((t for t in trials if t.state == "done"), key=lambda t: (t.ended_ms, t.n)):
        if trial.value is None or not math.isfinite(trial.value):
            continue
        best = trial.value if best is None or better(run.mode, trial.value, best) else best
        seconds = max(0.0, trial.ended_ms - submitted) / 1000
        points.append(Point(trial.n, len(points) + 1, seconds, trial.value, best))
    return points


def draw(run: Run, trials: Sequence[TrialRecord]) -> Figure:
    """The history as two panels: over the trials, and over the time since the submit.

    Raises:
        AwsrunError: no trial is done.
    """
    points = history(run, trials)
    if not points:
        raise AwsrunError(f"no trial of {run.run} has finished with a {run.metric} yet", hint=f"awsrun show {run.run}")
    scale = scale_of(run.metric, [point.value for point in points])
    unit, name = _unit(points[-1].seconds)
    values = [scale.factor * point.value for point in points]
    best = [scale.factor * point.best for point in points]
    fig = figure(10.4, 4.2)
    panels = fig.subplots(1, 2, sharey=True)
    top = max(i for i, point in enumerate(points) if i == 0 or point.best != points[i - 1].best)
    for ax, xs, label in (
        (panels[0], [float(point.count) for point in points], "trials done"),
        (panels[1], [point.seconds / unit for point in points], f"time since the submit ({name})"),
    ):
        ax.scatter(xs, values, s=max(6, 36 - len(xs) // 50), color=MUTED, alpha=0.45, linewidths=0, label="each trial")
        ax.step(xs, best, where="post", color=INK, linewidth=2.2, label="best so far")
        ax.plot(xs[top], best[top], marker="*", markersize=16, color=MARK, markeredgecolor="white", zorder=5)
        frame(ax, label, scale.label if ax is panels[0] else "")
    _finish(panels, run.mode, values)
    found = f"★ {scale.text(points[-1].best)} by trial {points[top].n}"
    return finish(fig, run, f"best {name_of(run.metric)} so far; {found}", len(points))


def together(runs: Sequence[tuple[Run, Sequence[TrialRecord]]]) -> Figure:
    """The best so far of several runs.

    Raises:
        AwsrunError: their metrics differ, or no trial of any is done.
    """
    first = runs[0][0]
    if len({(run.metric, run.mode) for run, _ in runs}) > 1:
        raise AwsrunError("the runs have different metrics", ", ".join(f"{run.run}: {run.metric}" for run, _ in runs))
    found = [(run, points) for run, trials in runs if (points := history(run, trials))]
    if not found:
        raise AwsrunError(f"no trial of these runs has finished with a {first.metric} yet")
    values = [point.value for _, points in found for point in points]
    scale = scale_of(first.metric, values)
    unit, name = _unit(max(points[-1].seconds for _, points in found))
    fig = figure(10.4, 4.2)
    panels = fig.subplots(1, 2, sharey=True)
    for i, (run, points) in enumerate(found):
        best = [scale.factor * point.best for point in points]
        text = f"{run.run}: {scale.text(points[-1].best)}"
        style: dict[str, Any] = {"color": COLOURS[i % len(COLOURS)], "linewidth": 2.2, "label": text, "where": "post"}
        panels[0].step([point.count for point in points], best, **style)
        panels[1].step([point.seconds / unit for point in points], best, **style)
    frame(panels[0], "trials done", scale.label)
    frame(panels[1], f"time since the submit ({name})", "")
    _finish(panels, first.mode, [scale.factor * point.best for _, points in found for point in points])
    plain = replace(first, run="", space={})  # the line below the picture is of no single run
    return finish(fig, plain, f"best {name_of(first.metric)} so far", 0, f"{len(found)} runs")


def _unit(seconds: float) -> tuple[float, str]:
    """The unit in which so much time is written: its seconds and its name."""
    return next((unit, name) for least, unit, name in _TIMES if seconds >= least)


def _finish(panels: Any, mode: str, values: Sequence[float]) -> None:
    from matplotlib.ticker import MaxNLocator

    if mode == "min" and min(values) > 0 and max(values) / min(values) > 100:
        panels[0].set_yscale("log")  # they share it
    panels[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[1].set_xlim(left=0)
    panels[0].legend(frameon=False, loc="lower right" if mode == "max" else "upper right")
