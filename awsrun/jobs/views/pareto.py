"""Runs that are after several things at once: the Pareto front, and its picture.

A trial is on the front if no other is as good in everything and better in something.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.style import INK, MARK, MUTED, figure, finish, frame, name_of, scale_of
from awsrun.worker.protocol.goals import reached
from awsrun.worker.protocol.records import TrialRecord
from awsrun.worker.protocol.runs import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMED = 12  # trials of the front whose numbers stand in the picture


def front(run: Run, trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The trials on the Pareto front, the best by the first metric first; equals are all on it."""
    signs = [-1.0 if mode == "max" else 1.0 for mode in run.goals.values()]
    points = sorted(
        (tuple(sign * value for sign, value in zip(signs, values, strict=True)), trial.n, trial)
        for trial in trials
        if (values := reached(run, trial)) is not None
    )
    kept: list[tuple[float, ...]] = []
    found = []
    for costs, equals in groupby(points, key=lambda point: point[0]):  # whoever beats one has come before it
        if not any(all(mine <= theirs for mine, theirs in zip(other, costs, strict=True)) for other in kept):
            kept.append(costs)
            found += [trial for _, _, trial in equals]
    return found


def draw(run: Run, trials: Sequence[TrialRecord], x: str | None = None, y: str | None = None) -> Figure:
    """Every trial that is done over two of the metrics, the front as a line; with a third one as the colour.

    Raises:
        AwsrunError: the run is after one thing only, or no trial is done; no such metric.
    """
    goals = [*run.goals]
    if len(goals) < 2:
        hint = "--metric val_accuracy:max --metric seconds:min"
        raise AwsrunError(f"{run.run} is after one thing only: {run.metric or 'nothing'}", "a front takes two", hint)
    for name in filter(None, (x, y)):
        if name not in goals:
            raise AwsrunError(f"{run.run} is not after {name!r}", f"but after {', '.join(goals)}")
    across = x or next(name for name in goals if name != y)
    up = y or next(name for name in goals if name != across)
    measured = {trial.n: values for trial in trials if (values := reached(run, trial)) is not None}
    if not measured:
        raise AwsrunError(f"no trial of {run.run} has finished with {' and '.join(goals)} yet")
    scales = {name: scale_of(name, [values[i] for values in measured.values()]) for i, name in enumerate(goals)}

    def at(n: int, name: str) -> float:
        return scales[name].factor * measured[n][goals.index(name)]

    best = sorted(front(run, trials), key=lambda trial: at(trial.n, across))
    numbers = {trial.n for trial in best}
    rest = [n for n in measured if n not in numbers]
    fig = figure(6.8, 4.6)
    ax = fig.subplots()
    ax.scatter([at(n, across) for n in rest], [at(n, up) for n in rest], s=30, color=MUTED, alpha=0.5, linewidths=0)
    xs, ys = [at(t.n, across) for t in best], [at(t.n, up) for t in best]
    third = next((name for name in goals if name not in (across, up)), None)
    if third is None:
        ax.plot(xs, ys, color=MARK, linewidth=1.2, zorder=2)
        ax.scatter(xs, ys, s=56, color=MARK, edgecolors="white", zorder=3)
    else:
        dots = ax.scatter(xs, ys, s=56, c=[at(t.n, third) for t in best], edgecolors="white", zorder=3)
        fig.colorbar(dots, ax=ax, label=scales[third].label)
    for trial, place in zip(best[:_NAMED], zip(xs, ys, strict=True), strict=False):
        ax.annotate(str(trial.n), place, (5, 5), textcoords="offset points", fontsize=8, color=INK)
    arrows = {"max": "higher is better", "min": "lower is better"}
    frame(ax, *(f"{scales[name].label}, {arrows[run.goals[name]]}" for name in (across, up)))
    many = f"{len(best)} of {len(measured)} trials"
    return finish(fig, run, f"{name_of(up)} and {name_of(across)}; on the front {many}", len(measured))
