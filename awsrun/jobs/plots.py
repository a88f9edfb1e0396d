"""Pictures of a run: heat map for two grid parameters, a line for one, scatter for a random search.

Figures are made without pyplot: nothing global, no window, no back end to choose.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.style import INK, MUTED, figure, finish, name_of, scale_of, short
from awsrun.worker.records import TrialRecord
from awsrun.worker.runs import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PANELS = 9


def draw(run: Run, trials: Sequence[TrialRecord], x: str | None = None, y: str | None = None) -> Figure:
    """The picture that fits the run's search, or the one over the parameters ``x`` and ``y``.

    Two grid parameters: a heat map, ``x`` as rows and ``y`` as columns.  One: a line.  Ranges: a scatter per parameter.

    Raises:
        AwsrunError: no metric, nothing finished yet, or no such parameter.
    """
    done = _measured(run, trials)
    axes: Mapping[str, Sequence[Any]] = run.space.get("axes") or {}
    ranges: Mapping[str, Mapping[str, Any]] = run.space.get("ranges") or {}
    for name in filter(None, (x, y)):
        if name not in axes and name not in ranges:
            known = ", ".join([*axes, *ranges]) or "nothing"
            raise AwsrunError(f"the run does not vary {name!r}", f"it varies {known}")
    names = [name for name in (x, y) if name] or [name for name, values in axes.items() if len(values) > 1]
    if ranges and not (x and y):
        return scatter(run, done, [x] if x else [*ranges, *axes])
    if len(names) >= 2 and names[0] in axes and names[1] in axes:
        return heatmap(run, trials, names[0], names[1])
    if len(names) >= 2:
        return scatter(run, done, names)
    if len(names) == 1:
        return line(run, done, names[0])
    return bars(run, done)


def heatmap(run: Run, trials: Sequence[TrialRecord], rows: str, columns: str) -> Figure:
    """The metric over two grid parameters; with more parameters, each cell is the best of the rest."""
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    down, across = list(run.space["axes"][rows]), list(run.space["axes"][columns])
    scale = scale_of(run.metric, [t.value for t in _measured(run, trials)])
    values = np.full((len(down), len(across)), math.nan)
    notes: dict[tuple[int, int], str] = {}
    for trial in trials:
        cell = down.index(trial.params[rows]), across.index(trial.params[columns])
        if trial.state != "done" or not _finite(trial.value):
            notes[cell] = trial.state
        elif math.isnan(values[cell]) or _beats(run, trial.value, values[cell] / scale.factor):
            values[cell] = scale.factor * float(trial.value or 0.0)
    fig = figure(max(5.2, 2.3 + 1.05 * len(across)), max(4.0, 2.0 + 0.8 * len(down)))
    ax = fig.subplots()
    colours = colormaps["viridis" if run.mode == "max" else "viridis_r"].with_extremes(bad="#eceff1")
    image = ax.imshow(values, cmap=colours, aspect="auto")
    best = np.unravel_index((np.nanargmax if run.mode == "max" else np.nanargmin)(values), values.shape)
    for cell in np.ndindex(values.shape):
        if math.isnan(values[cell]):
            ax.text(cell[1], cell[0], notes.get(cell, "–"), ha="center", va="center", color=MUTED, fontsize=9)
            continue
        text = scale.cell(values[cell]) + (" ★" if cell == best else "")
        weight = "bold" if cell == best else "normal"
        colour = _readable(image.cmap(image.norm(values[cell])))
        ax.text(cell[1], cell[0], text, ha="center", va="center", color=colour, fontsize=13, fontweight=weight)
    ax.add_patch(
        Rectangle((best[1] - 0.5, best[0] - 0.5), 1, 1, fill=False, edgecolor="#e4572e", linewidth=3, zorder=3)
    )
    ax.set_xticks(range(len(across)), [short(value) for value in across])
    ax.set_yticks(range(len(down)), [short(value) for value in down])
    ax.set_xlabel(name_of(columns))
    ax.set_ylabel(name_of(rows))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xticks([i - 0.5 for i in range(1, len(across))], minor=True)
    ax.set_yticks([i - 0.5 for i in range(1, len(down))], minor=True)
    ax.grid(which="minor", color="white", linewidth=2)
    ax.tick_params(which="minor", length=0)
    bar = fig.colorbar(image, ax=ax, pad=0.03)
    bar.set_label(scale.label)
    bar.outline.set_visible(False)
    others = [name for name, v in run.space["axes"].items() if name not in (rows, columns) and len(v) > 1]
    extra = f", best over {', '.join(map(name_of, others))}" if others else ""
    return finish(fig, run, f"{scale.name}{extra}", len(trials))


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
    ax.plot(xs[best], means[best], marker="*", markersize=18, color="#e4572e", zorder=5)
    ax.annotate(scale.cell(means[best]), (xs[best], means[best]), (0, 12), textcoords="offset points", ha="center")
    if numeric and _logarithmic(keys):
        ax.set_xscale("log")
    ax.set_xticks(xs, [short(key) for key in keys], minor=False)
    ax.margins(y=0.18)
    _frame(ax, name_of(name), scale.label)
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
    for i, (ax, name) in enumerate(zip(panels, names, strict=False)):
        xs = [t.params[name] for t in trials]
        if name not in ranges and not all(isinstance(v, int | float) and not isinstance(v, bool) for v in xs):
            order = [short(value) for value in run.space["axes"][name]]
            xs = [order.index(short(value)) for value in xs]
            ax.set_xticks(range(len(order)), order)
            ax.margins(x=0.3)
        colour = {"c": values, "cmap": "viridis" if run.mode == "max" else "viridis_r"}
        ax.scatter(xs, values, s=42, alpha=0.85, edgecolors="white", linewidths=0.7, **colour)
        ax.plot(xs[best], values[best], marker="*", markersize=18, color="#e4572e", markeredgecolor="white", zorder=5)
        if ranges.get(name, {}).get("log"):
            ax.set_xscale("log")
        _frame(ax, name_of(name), scale.label if i % across == 0 else "")
    for ax in list(panels):
        ax.set_visible(False)
    chosen = "Bayesian search" if run.adaptive else "drawn at random"
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
    _frame(ax, "trial", scale.label)
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


def _beats(run: Run, value: float | None, than: float) -> bool:
    return value is not None and (value > than if run.mode == "max" else value < than)


def _logarithmic(values: Sequence[float]) -> bool:
    """Whether steps grow with the values, so that a log axis spreads them better."""
    low, high = min(values), max(values)
    return low > 0 and len(values) > 2 and high / low >= 20


def _readable(colour: Sequence[float]) -> str:
    """Black or white, whichever reads better on ``colour``."""
    red, green, blue = colour[:3]
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "white"


def _frame(ax: Axes, x: str, y: str) -> None:
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="#e3e6e8", linewidth=0.8)
    ax.set_axisbelow(True)
