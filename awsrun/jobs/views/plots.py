"""Pictures of a run over its parameters: heat map, line, scatter; and which kind fits which search.

Figures are made without pyplot: nothing global, no window, no back end to choose.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.style import INK, MARK, MUTED, figure, finish, frame, name_of, scale_of, short
from awsrun.jobs.views import history, importance, pareto
from awsrun.jobs.views.cells import Cells, cells, varying
from awsrun.worker.protocol.records import TrialRecord
from awsrun.worker.protocol.runs import Run
from awsrun.worker.protocol.samplers import SAMPLERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PANELS = 9


KINDS = ("heatmap", "line", "scatter", "bars", "history", "importance", "pareto")


def draw(
    run: Run, trials: Sequence[TrialRecord], x: str | None = None, y: str | None = None, kind: str | None = None
) -> Figure:
    """The picture of a ``kind`` (one of `KINDS`), or the one that fits the run's search.

    That is for two grid parameters a heat map, for one a line, for ranges a scatter with a panel per parameter, and
    ``x`` and ``y`` choose other parameters: a heat map has ``x`` as rows and ``y`` as columns.  A run that is after
    several metrics is drawn over two of them, with its Pareto front.

    Raises:
        AwsrunError: no metric, nothing finished yet, no such parameter, or none left for that kind of picture.
    """
    if kind == "pareto" or (kind is None and run.objectives and not x and not y):
        return pareto.draw(run, trials, x, y)
    done = _measured(run, trials)
    names = _chosen(run, x, y)
    kind = kind or _fitting(run, names, bool(x and y))
    if kind == "history":
        return history.draw(run, trials)
    if kind == "importance":
        return importance.draw(run, trials)
    if kind == "heatmap":
        if len(names) < 2:
            raise AwsrunError(f"a heat map takes two parameters that vary; {run.run} has {len(names)}")
        return heatmap(run, trials, names[0], names[1])
    if kind == "bars" or not names:
        return bars(run, done)
    return line(run, done, names[0]) if kind == "line" else scatter(run, done, _ranges_first(run, names))


def _chosen(run: Run, x: str | None, y: str | None) -> list[str]:
    """The parameters to draw over: those that were asked for, else all that vary."""
    known = [*(run.space.get("axes") or {}), *(run.space.get("ranges") or {})]
    for name in filter(None, (x, y)):
        if name not in known:
            raise AwsrunError(f"the run does not vary {name!r}", f"it varies {', '.join(known) or 'nothing'}")
    return [name for name in (x, y) if name] or varying(run)


def _ranges_first(run: Run, names: Sequence[str]) -> list[str]:
    return sorted(names, key=lambda name: name not in (run.space.get("ranges") or {}))


def _fitting(run: Run, names: Sequence[str], both: bool) -> str:
    ranges: Mapping[str, Any] = run.space.get("ranges") or {}
    if ranges and not (both and not any(name in ranges for name in names)):
        return "scatter"
    if len(names) >= 2:
        return "heatmap"
    return "line" if names else "bars"


def heatmap(run: Run, trials: Sequence[TrialRecord], rows: str, columns: str) -> Figure:
    """The metric over two parameters, ranges in bins; with more parameters, each cell is the best of the rest."""
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    found = cells(run, trials, rows, columns)
    scale = scale_of(run.metric, [t.value for t in _measured(run, trials)])
    raw = [[math.nan if value is None else scale.factor * value for value in row] for row in found.values]
    values = np.array(raw)
    down, across = found.rows.labels, found.columns.labels
    dense = max(len(down), len(across)) > 8
    wide, high = (0.72, 0.46) if dense else (1.05, 0.8)
    fig = figure(max(5.2, 2.3 + wide * len(across)), max(4.0, 2.0 + high * len(down)))
    ax = fig.subplots()
    colours = colormaps["viridis" if run.mode == "max" else "viridis_r"].with_extremes(bad="#eceff1")
    image = ax.imshow(values, cmap=colours, aspect="auto")
    for cell in np.ndindex(values.shape):
        if math.isnan(values[cell]):
            ax.text(cell[1], cell[0], found.states.get(cell, "–"), ha="center", va="center", color=MUTED, fontsize=9)
            continue
        best = cell == found.best
        text = scale.cell(values[cell]) + (" ★" if best else "")
        colour = _readable(image.cmap(image.norm(values[cell])))
        style: dict[str, Any] = {"fontsize": 10 if dense else 13, "fontweight": "bold" if best else "normal"}
        ax.text(cell[1], cell[0], text, ha="center", va="center", color=colour, **style)
    if found.best:
        corner = found.best[1] - 0.5, found.best[0] - 0.5
        ax.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=MARK, linewidth=3, zorder=3))
    _table(ax, found)
    bar = fig.colorbar(image, ax=ax, pad=0.03)
    bar.set_label(scale.label)
    bar.outline.set_visible(False)
    extra = f", best over {', '.join(map(name_of, found.others))}" if found.others else ""
    return finish(fig, run, f"{scale.name}{extra}", len(trials))


def _table(ax: Axes, found: Cells) -> None:
    """Ticks and labels of a heat map, and lines between its cells."""
    down, across = found.rows, found.columns
    ax.set_xticks(range(len(across.labels)), across.labels)
    ax.set_yticks(range(len(down.labels)), down.labels)
    ax.set_xlabel(name_of(across.name) + (" (bins, by their middles)" if across.values is None else ""))
    ax.set_ylabel(name_of(down.name) + (" (bins, by their middles)" if down.values is None else ""))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xticks([i - 0.5 for i in range(1, len(across.labels))], minor=True)
    ax.set_yticks([i - 0.5 for i in range(1, len(down.labels))], minor=True)
    ax.grid(which="minor", color="white", linewidth=2)
    ax.tick_params(which="minor", length=0)


def line(run: Run, trials: Sequence[TrialRecord], name: str) -> Figure:
    """The metric over one grid parameter: the mean, and from lowest to highest where trials share a value."""
    scale = scale_of(run.metric, [t.value for t in trials])
    groups: dict[Any, list[float]] = defaultdict(list)
    for trial in trials:
        groups[trial.params[name]].append(scale.factor * float(trial.value or 0.0))
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in groups)
    keys = sorted(groups) if numeric else list(groups)
    xs = keys if numeric else list(range(len(keys)))
    means = [sum(groups[key]) / len(groups[key]) for key in keys]
    below = [mean - min(groups[key]) for mean, key in zip(means, keys, strict=True)]
    above = [max(groups[key]) - mean for mean, key in zip(means, keys, strict=True)]
    fig = figure(6.4, 4.2)
    ax = fig.subplots()
    ax.errorbar(xs, means, yerr=[below, above], fmt="o-", color=INK, ecolor=MUTED, capsize=4, linewidth=2, markersize=7)
    best = (max if run.mode == "max" else min)(range(len(means)), key=means.__getitem__)
    ax.plot(xs[best], means[best], marker="*", markersize=18, color=MARK, zorder=5)
    ax.annotate(scale.cell(means[best]), (xs[best], means[best]), (0, 12), textcoords="offset points", ha="center")
    if numeric and _logarithmic(keys):
        ax.set_xscale("log")
    ax.set_xticks(xs, [short(key) for key in keys], minor=False)
    ax.margins(y=0.18)
    frame(ax, name_of(name), scale.label)
    return finish(fig, run, f"{scale.name} over {name_of(name)}", len(trials))


def scatter(run: Run, trials: Sequence[TrialRecord], names: Sequence[str]) -> Figure:
    """The metric against each parameter, one panel each; the best trial is marked in all of them."""
    names = list(names)[:MOST_PANELS]
    ranges: Mapping[str, Mapping[str, Any]] = run.space.get("ranges") or {}
    scale = scale_of(run.metric, [t.value for t in trials])
    values = [scale.factor * float(t.value or 0.0) for t in trials]
    best = (max if run.mode == "max" else min)(range(len(values)), key=values.__getitem__)
    across = min(3, len(names))
    fig = figure(max(5.6, 3.6 * across), 3.6 * -(-len(names) // across) + 0.6)
    panels = fig.subplots(-(-len(names) // across), across, sharey=True, squeeze=False).flat
    size = max(8, 42 - len(values) // 60)
    for i, (name, ax) in enumerate(zip(names, panels, strict=False)):
        xs = [t.params[name] for t in trials]
        if name not in ranges and not all(isinstance(v, int | float) and not isinstance(v, bool) for v in xs):
            order = [short(value) for value in run.space["axes"][name]]
            xs = [order.index(short(value)) for value in xs]
            ax.set_xticks(range(len(order)), order)
            ax.margins(x=0.3)
        colour = {"c": values, "cmap": "viridis" if run.mode == "max" else "viridis_r"}
        ax.scatter(xs, values, s=size, alpha=0.85, edgecolors="white", linewidths=0.7 if size > 8 else 0, **colour)
        ax.plot(xs[best], values[best], marker="*", markersize=18, color=MARK, markeredgecolor="white", zorder=5)
        if ranges.get(name, {}).get("log"):
            ax.set_xscale("log")
        frame(ax, name_of(name), scale.label if i % across == 0 else "")
    for ax in list(panels):
        ax.set_visible(False)
    sampler = SAMPLERS.get(run.space["search"])
    chosen = f"{sampler.called} search" if sampler else "drawn at random" if ranges else "grid"
    return finish(fig, run, f"{scale.name}, {chosen}; ★ {scale.cell(values[best])}", len(trials))


def bars(run: Run, trials: Sequence[TrialRecord]) -> Figure:
    """The metric per trial, where nothing is varied in a way that has axes (one trial, or inputs)."""
    from matplotlib.ticker import MaxNLocator

    shown = sorted(trials, key=lambda t: t.n)[:200]
    scale = scale_of(run.metric, [t.value for t in shown])
    fig = figure(6.4, 4.0)
    ax = fig.subplots()
    ax.bar([t.n for t in shown], [scale.factor * float(t.value or 0.0) for t in shown], color=INK, width=0.8)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    frame(ax, "trial", scale.label)
    return finish(fig, run, f"{scale.name} per trial", len(trials))


def _measured(run: Run, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    if not run.metric:
        hint = 'awsrun.main(train, metric="val_accuracy")'
        raise AwsrunError(f"{run.job} names no metric, so there is nothing to draw", hint=hint)
    done = [t for t in trials if t.state == "done" and _finite(t.value)]
    if not done:
        raise AwsrunError(f"no trial of {run.run} has finished with a {run.metric} yet", hint=f"awsrun show {run.run}")
    return done


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _logarithmic(values: Sequence[float]) -> bool:
    """Whether steps grow with the values, so that a log axis spreads them better."""
    low, high = min(values), max(values)
    return low > 0 and len(values) > 2 and high / low >= 20


def _readable(colour: Sequence[float]) -> str:
    """Black or white, whichever reads better on ``colour``."""
    red, green, blue = colour[:3]
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "white"
