"""One trial's history as a picture: a panel for the losses, one for the accuracies, one for anything else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.style import COLOURS, INK, MARK, MUTED, figure, finish, frame, name_of, scale_of, short
from awsrun.worker.protocol.records import Report, TrialRecord
from awsrun.worker.protocol.runs import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Series = Mapping[str, list[tuple[int, float]]]


def curves(run: Run, trial: TrialRecord, reports: Sequence[Report]) -> Figure:
    """What a trial reported, over its steps (epochs).

    Raises:
        AwsrunError: the trial reported nothing.
    """
    series: dict[str, list[tuple[int, float]]] = {}
    for report in reports:
        for name, value in report.metrics.items():
            if isinstance(value, int | float) and math.isfinite(value):
                series.setdefault(name, []).append((report.step + 1, float(value)))
    if not series:
        raise AwsrunError(
            f"trial {trial.n} of {run.run} has reported nothing", hint="trial.report(loss=...) in the job"
        )
    panels = _panels(series)
    fig = figure(5.2 * len(panels), 4.2)
    for ax, (title, lines) in zip(fig.subplots(1, len(panels), squeeze=False).flat, panels.items(), strict=True):
        _panel(ax, title, lines)
    params = ", ".join(
        f"{name_of(name)} {short(value)}" for name, value in trial.params.items() if name not in run.fixed
    )
    return finish(fig, run, f"trial {trial.n}" + (f" ({params})" if params else ""), 1, f"trial {trial.n}")


def together(run: Run, found: Sequence[tuple[TrialRecord, Sequence[Report]]]) -> Figure:
    """What several trials reported of the run's metric, over their steps; the first of ``found`` stands out.

    Raises:
        AwsrunError: none of them reported it.
    """
    from matplotlib.ticker import MaxNLocator

    lines = [(trial, points) for trial, reports in found if (points := reported(run.metric, reports))]
    if not lines:
        hint = f"trial.report({run.metric or 'loss'}=...) in the job"
        raise AwsrunError(f"the trials of {run.run} have reported no {run.metric or 'metric'}", hint=hint)
    scale = scale_of(run.metric, [value for _, points in lines for _, value in points])
    fig = figure(7.4, 4.4)
    ax = fig.subplots()
    order = (MARK, INK, *COLOURS[2:])
    pruned = [line for line in lines if line[0].state in ("stopped", "paused")]
    for _, points in pruned:
        steps, values = [step for step, _ in points], [scale.factor * value for _, value in points]
        ax.plot(steps, values, color=MUTED, linewidth=0.9, alpha=0.6, zorder=1)
        ax.plot(steps[-1], values[-1], "x", color=MUTED, markersize=5, zorder=1)
    if pruned:
        ax.plot([], [], "-x", color=MUTED, linewidth=0.9, markersize=5, label=f"{len(pruned)} stopped early")
    for i, (trial, points) in enumerate(line for line in lines if line not in pruned):
        params = ", ".join(f"{name_of(k)} {short(v)}" for k, v in trial.params.items() if k not in run.fixed)
        label = f"{trial.n}: {params}" if params else f"trial {trial.n}"
        colour = order[i] if i < len(order) else MUTED
        steps, values = [step for step, _ in points], [scale.factor * value for _, value in points]
        marker = "o" if len(steps) <= 30 else None
        style: dict[str, Any] = {"linewidth": 2.6 if i == 0 else 1.6, "zorder": 4 if i == 0 else 2}
        ax.plot(steps, values, color=colour, marker=marker, markersize=4, label=label, **style)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    frame(ax, "epoch", scale.label)
    ax.legend(frameon=False, fontsize=8, title="trial, the best first", title_fontsize=8, loc="best")
    return finish(fig, run, f"{scale.name} by epoch", len(lines), f"the best {len(lines)} of {run.total:,} trials")


def reported(name: str, reports: Sequence[Report]) -> list[tuple[int, float]]:
    """(step from 1 on, value) of one metric, where it is a finite number."""
    found = ((report.step + 1, report.metrics.get(name)) for report in reports)
    return [(step, float(value)) for step, value in found if isinstance(value, int | float) and math.isfinite(value)]


def _panels(series: Series) -> dict[str, Series]:
    grouped: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for name, points in series.items():
        kind = "loss" if "loss" in name.lower() else "accuracy" if "acc" in name.lower() else name_of(name)
        grouped.setdefault(kind, {})[name] = points
    return dict(sorted(grouped.items(), key=lambda item: {"loss": 0, "accuracy": 1}.get(item[0], 2)))


def _panel(ax: Axes, title: str, lines: Series) -> None:
    from matplotlib.ticker import MaxNLocator

    scale = scale_of(next(iter(lines)), [value for points in lines.values() for _, value in points])
    for colour, (name, points) in zip(COLOURS * len(lines), lines.items(), strict=False):
        steps, values = [step for step, _ in points], [value * scale.factor for _, value in points]
        marker = "o" if len(steps) <= 30 else None
        ax.plot(steps, values, color=colour, linewidth=2, marker=marker, markersize=5, label=name_of(name))
        if name.startswith("val") or len(lines) == 1:
            _mark_best(ax, steps, values, title == "loss", scale.cell)
    ax.set_title(title.capitalize(), fontsize=11)
    ax.set_xlabel("epoch")
    ax.set_ylabel(f"{title} (%)" if scale.unit else title)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.margins(x=0.08, y=0.18)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="#e3e6e8", linewidth=0.8)
    ax.legend(frameon=False)


def _mark_best(ax: Axes, steps: Sequence[int], values: Sequence[float], lowest: bool, write: object) -> None:
    best = (min if lowest else max)(range(len(values)), key=values.__getitem__)
    ax.plot(steps[best], values[best], marker="*", markersize=15, color=MARK, markeredgecolor="white", zorder=5)
    text = f"{write(values[best])} at epoch {steps[best]}" if callable(write) else ""
    ax.annotate(text, (steps[best], values[best]), (0, 11), textcoords="offset points", ha="center", fontsize=9)
