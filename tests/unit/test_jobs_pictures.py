"""What pictures of a run are drawn from: cells, history, importance, curves together."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from jobs_runs import GRID, a_run, trials_of

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.views import cells, curves, history, importance, plots
from awsrun.worker.protocol.records import Report

RANDOM: dict[str, Any] = {
    "search": "random",
    "axes": {"opt": ["sgd", "adam"]},
    "ranges": {
        "lr": {"low": 1e-4, "high": 0.1, "log": True}, "k": {"low": 1, "high": 8, "int": True},
        "noise": {"low": 0.0, "high": 1.0},
    },
    "set": {},
    "total": 200,
}  # fmt: skip


def test_cells_hold_the_best_of_what_falls_into_them() -> None:
    run = a_run({**GRID, "axes": {**GRID["axes"], "k": [1, 2]}, "total": 12}, metric="loss", mode="min")  # type: ignore[dict-item]
    trials = trials_of(run, lambda p: p["lr"] * 100 + p["k"])
    trials[0], trials[1] = (replace(t, state="failed", value=None) for t in trials[:2])
    found = cells.cells(run, trials, "lr", "momentum")
    assert found.values == [[None, 11.0], [2.0, 2.0], [1.1, 1.1]]
    assert (found.states, found.best, found.others) == ({(0, 0): "failed"}, (2, 0), ["k"])


def test_ranges_and_grids_of_very_many_numbers_are_divided_into_bins() -> None:
    run = a_run(RANDOM)
    lr, k = cells.axis(run, "lr"), cells.axis(run, "k")
    assert [lr.index(value) for value in (1e-4, 1.7e-4, 1.8e-4, 0.1, 0.2, 1e-5)] == [0, 0, 1, 11, None, None]
    assert (k.labels, k.index(3)) == ([str(i) for i in range(1, 9)], 2)
    many = a_run({"search": "grid", "axes": {"x": list(range(1000)), "s": [str(i) for i in range(30)]}, "total": 30000})
    assert (len(cells.axis(many, "x").labels), cells.axis(many, "x").index(999)) == (12, 11)
    with pytest.raises(AwsrunError, match="too many for a heat map"):
        cells.axis(many, "s")


def test_the_history_goes_by_when_trials_ended_and_keeps_the_best() -> None:
    run = a_run(submitted_at="1970-01-01T00:00:01+00:00")
    values = {0: 0.5, 1: 0.7, 2: math.nan, 3: 0.6, 4: 0.9, 5: 0.1}
    ends = {0: 9000, 1: 3000, 2: 4000, 3: 5000, 4: 2000, 5: 8000}
    trials = [replace(t, value=values[t.n], ended_ms=ends[t.n]) for t in trials_of(run, lambda p: 0.0)]
    trials[5] = replace(trials[5], state="failed", value=None)
    found = history.history(run, trials)
    seen = [(p.n, p.count, p.seconds, p.best) for p in found]
    assert seen == [(4, 1, 1, 0.9), (1, 2, 2, 0.9), (3, 3, 4, 0.9), (0, 4, 8, 0.9)]
    assert [p.best for p in history.history(replace(run, mode="min"), trials)] == [0.9, 0.7, 0.6, 0.5]


def test_the_parameter_that_makes_the_difference_is_found() -> None:
    pytest.importorskip("optuna")
    run = a_run(RANDOM)
    trials = trials_of(run, lambda p: 0.9 - (math.log10(p["lr"]) + 2) ** 2 / 10 + 0.02 * (p["opt"] == "adam"))
    found = importance.importance(run, trials)
    assert next(iter(found)) == "lr"
    assert found["lr"] > 0.8
    assert found["noise"] < 0.1
    assert sum(found.values()) == pytest.approx(1)
    assert set(found) == {"lr", "k", "noise", "opt"}
    assert importance.importance(run, trials) == found, "the same forest each time"
    assert importance.importance(run, [replace(t, value=0.5) for t in trials]) == {}, "nothing to explain"
    with pytest.raises(AwsrunError, match="cannot be told yet"):
        importance.importance(run, trials[:3])


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        ("history", [("trials done", "validation accuracy (%)"), ("time since the submit (seconds)", "")]),
        ("importance", [("share of the variance of validation accuracy that it explains alone (%)", "")]),
        ("heatmap", [("learning rate (bins, by their middles)", "opt"), ("", "validation accuracy (%)")]),
        (
            "scatter",
            [
                ("learning rate", "validation accuracy (%)"),
                ("k", ""),
                ("noise", ""),
                ("opt", "validation accuracy (%)"),
            ],
        ),
    ],
)
def test_each_kind_has_its_axes_labelled_with_units(kind: str, labels: list[tuple[str, str]]) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("optuna")
    run = a_run(RANDOM)
    at = 1_795_444_320_000
    trials = [replace(t, ended_ms=at + 100 * t.n) for t in trials_of(run, lambda p: p["lr"])]
    figure = plots.draw(run, trials, kind=kind)
    assert [(ax.get_xlabel(), ax.get_ylabel()) for ax in figure.axes if ax.get_visible()] == labels


def test_a_kind_without_its_parameters_is_refused() -> None:
    run = a_run({"search": "grid", "axes": {"lr": [0.1, 0.01]}, "set": {}, "total": 2})
    with pytest.raises(AwsrunError, match="takes two parameters that vary"):
        plots.draw(run, trials_of(run, lambda p: p["lr"]), kind="heatmap")


def test_curves_together_are_of_the_metric_and_the_first_stands_out() -> None:
    pytest.importorskip("matplotlib")
    run = a_run()
    trials = trials_of(run, lambda p: 0.5)[:3]
    reports = [[Report(t.n, 1, i, {"val_accuracy": i / 10, "x": 1}) for i in range(t.n + 1)] for t in trials[:2]]
    (ax,) = curves.together(run, [*zip(trials, reports, strict=False), (trials[2], [])]).axes
    assert [list(line.get_xdata()) for line in ax.lines] == [[1], [1, 2]]
    assert list(ax.lines[1].get_ydata()) == [0.0, 10.0]
    assert ax.lines[0].get_linewidth() > ax.lines[1].get_linewidth()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "validation accuracy (%)")
    with pytest.raises(AwsrunError, match="have reported no val_accuracy"):
        curves.together(run, [(trials[2], [])])
