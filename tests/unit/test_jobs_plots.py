"""Pictures: the one that fits the search, with the numbers that the trials had."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jobs_runs import GRID, a_run, trials_of

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.style import name_of, scale_of, short
from awsrun.jobs.views import curves, plots
from awsrun.worker.protocol.records import Report

pytest.importorskip("matplotlib")

RANDOM = {
    "search": "random",
    "axes": {"opt": ["sgd", "adam"]},
    "ranges": {"lr": {"low": 1e-4, "high": 0.1, "log": True}, "k": {"low": 1, "high": 8, "int": True}},
    "set": {},
    "total": 20,
}


def texts(figure: Any) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def test_two_parameters_make_a_heat_map_with_each_value_in_its_cell(tmp_path: Path) -> None:
    run = a_run()
    accuracy = {(0.1, 0.5): 0.9912, (0.1, 0.1): 0.95, (0.01, 0.5): 0.8, (0.01, 0.1): 0.7, (0.001, 0.5): 0.4}
    trials = trials_of(run, lambda p: accuracy.get((p["lr"], p["momentum"]), 0.0))
    trials[5] = replace(trials[5], state="failed", value=None)
    figure = plots.draw(run, trials)
    assert texts(figure) == ["99.1 ★", "95.0", "80.0", "70.0", "40.0", "failed"]
    heat, bar = figure.axes
    assert (heat.get_ylabel(), heat.get_xlabel()) == ("learning rate", "momentum")
    assert [label.get_text() for label in heat.get_yticklabels()] == ["0.1", "0.01", "0.001"]
    assert bar.get_ylabel() == "validation accuracy (%)"
    figure.savefig(tmp_path / "heat.png")
    assert (tmp_path / "heat.png").stat().st_size > 10_000


def test_the_user_may_turn_the_heat_map(tmp_path: Path) -> None:
    run = a_run()
    figure = plots.draw(run, trials_of(run, lambda p: p["lr"]), "momentum", "lr")
    assert (figure.axes[0].get_ylabel(), figure.axes[0].get_xlabel()) == ("momentum", "learning rate")


def test_a_cell_of_more_than_two_parameters_is_the_best_of_the_rest() -> None:
    run = a_run({**GRID, "axes": {**GRID["axes"], "k": [1, 2, 3]}, "total": 18}, metric="loss", mode="min")  # type: ignore[dict-item]
    trials = trials_of(run, lambda p: p["lr"] * 100 + p["k"])
    assert texts(plots.draw(run, trials))[:2] == ["11.0", "11.0"]


def test_a_random_search_makes_a_panel_per_parameter() -> None:
    run = a_run(RANDOM)
    figure = plots.draw(run, trials_of(run, lambda p: 0.9 - abs(math.log10(p["lr"]) + 2) / 10))
    panels = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_xlabel() for ax in panels] == ["learning rate", "k", "opt"]
    assert [ax.get_xscale() for ax in panels] == ["log", "linear", "linear"]


def test_one_parameter_makes_a_line() -> None:
    run = a_run({"search": "grid", "axes": {"lr": [0.1, 0.01, 0.001]}, "set": {}, "total": 3})
    (ax,) = plots.draw(run, trials_of(run, lambda p: p["lr"])).axes
    assert (ax.get_xscale(), ax.get_xlabel()) == ("log", "learning rate")


@pytest.mark.parametrize(
    ("changes", "asked", "says"),
    [
        ({"metric": ""}, (), "names no metric"),
        ({}, ("nothing",), "does not vary 'nothing'"),
    ],
)
def test_what_cannot_be_drawn_is_said(changes: dict[str, Any], asked: tuple[str, ...], says: str) -> None:
    run = a_run(**changes)
    with pytest.raises(AwsrunError, match=says):
        plots.draw(run, trials_of(run, lambda p: 0.5), *asked)


def test_a_run_without_a_finished_trial_cannot_be_drawn() -> None:
    with pytest.raises(AwsrunError, match=r"no trial of .* has finished"):
        plots.draw(a_run(), [])


def test_a_trials_curves_have_a_panel_for_losses_and_one_for_accuracy() -> None:
    run = a_run()
    trial = trials_of(run, lambda p: 0.5)[3]
    reports = [
        Report(3, 1, i, {"train_loss": 1 / (i + 1), "val_loss": 1.1 / (i + 1), "val_accuracy": 1 - 0.5 / (i + 1)})
        for i in range(3)
    ]
    loss, accuracy = curves.curves(run, trial, reports).axes
    assert [line.get_label() for line in loss.lines if not line.get_label().startswith("_")] == [
        "training loss",
        "validation loss",
    ]
    assert accuracy.get_ylabel() == "accuracy (%)"
    assert list(accuracy.lines[0].get_xdata()) == [1, 2, 3]
    with pytest.raises(AwsrunError, match="has reported nothing"):
        curves.curves(run, trial, [])


@pytest.mark.parametrize(
    ("metric", "values", "raw", "text"),
    [
        ("val_accuracy", [0.5, 0.9912], 0.9912, "99.1 %"),
        ("accuracy", [50.0, 99.12], 99.12, "99.1"),
        ("val_loss", [0.1203], 0.1203, "0.120"),
        ("loss", [12.3], 12.3, "12.3"),
        ("perplexity", [1234.5], 1234.5, "1234"),
        ("val_loss", [0.0], 0.0, "0.00"),
        ("gap", [1.2e-7], 1.2e-7, "1.20e-07"),
    ],
)
def test_numbers_are_written_as_a_person_would(metric: str, values: list[float], raw: float, text: str) -> None:
    assert scale_of(metric, values).text(raw) == text


def test_names_and_values_are_written_short() -> None:
    assert name_of("val_accuracy") == "validation accuracy"
    assert short(0.000224653228) == "0.0002247"
    assert short("x" * 40) == "x" * 23 + "…"
