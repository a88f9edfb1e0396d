"""A job file as a program: options from the signature, a table of reports, artifacts in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from awsrun.worker.job.main import main, parser
from awsrun.worker.job.trial import Trial


def train(
    trial: Trial,
    lr: float = 0.01,
    epochs: int = 2,
    fast: bool = False,
    data: Literal["a", "b"] = "a",
    note: str | None = None,
    layers: list[int] = [4],  # noqa: B006
) -> dict[str, Any]:
    """Train a model.

    At length."""
    for epoch in trial.range(epochs):
        trial.report(loss=1 / (epoch + 1), accuracy=lr * epoch)
    if fast:
        (trial.dir / "a.txt").write_text("x")
    return {"lr": lr, "fast": fast, "data": data, "note": note, "layers": layers}


def needs(trial: Trial, size: int, seed: int = 3) -> int:
    return size + seed


def test_options_have_the_signatures_types(tmp_path: Path) -> None:
    out = ["--out", str(tmp_path / "out")]
    found = main(train, arguments=["--lr", "1e-3", "--fast", "--data", "b", "--layers", "[1,2]", *out])
    assert found == {"lr": 0.001, "fast": True, "data": "b", "note": None, "layers": [1, 2]}


def test_reports_are_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(train, metric="accuracy", arguments=["--out", str(tmp_path / "out"), "--fast"])
    lines = capsys.readouterr().out.split("\n")
    assert lines[:3] == ["step        loss    accuracy", "   0           1           0", "   1         0.5        0.01"]
    assert "best accuracy: 0.01 at step 1" in lines
    assert f"artifacts in {tmp_path / 'out'}" in lines[-2]
    main(train, metric="accuracy", mode="min", arguments=["--out", str(tmp_path / "other")])
    assert "best accuracy: 0 at step 0" in capsys.readouterr().out
    assert not (tmp_path / "other").exists(), "an empty folder is not left behind"


@pytest.mark.parametrize("wrong", [["--lr", "x"], ["--data", "c"], ["--lrr", "1"], ["--epochs", "1.5"]])
def test_wrong_options_are_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parser(train).parse_args(wrong)
    assert stopped.value.code == 2 and "error" in capsys.readouterr().err


def test_a_parameter_without_default_is_required_and_its_name_wins(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(needs, arguments=[])
    out = ["--out", str(tmp_path / "out")]
    assert main(needs, arguments=["--size", "5", "--seed", "1", "--awsrun-seed", "9", *out]) == 6


def test_the_mode_is_checked() -> None:
    with pytest.raises(ValueError, match="'max' or 'min'"):
        main(train, mode="best", arguments=[])


@pytest.mark.parametrize(("metric", "told"), [("accuracy", False), ("lr", False), ("data", True), ("acuracy", True)])
def test_a_metric_that_nothing_has_is_said(
    metric: str, told: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(train, metric=metric, arguments=["--out", str(tmp_path)])
    assert (f"no {metric}:" in capsys.readouterr().err) == told
