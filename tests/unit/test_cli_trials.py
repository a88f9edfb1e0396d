"""The table of a run's trials: whole names and values at any width, and how far running trials are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from jobs_runs import a_run, store_with, trials_of

from awsrun.cli.trials import print_trials
from awsrun.jobs.run import Run
from awsrun.jobs.site import Site
from awsrun.worker.protocol.records import Report

NAMES = ["learning_rate", "momentum", "weight_decay", "optimizer", "batch_size", "hidden_units", "activation"]
WIDE = {"search": "grid", "axes": {name: [f"{name[:3]} 1", f"{name[:3]} 2"] for name in NAMES}, "set": {}, "total": 2}


def a_sweep(state: str = "run") -> Run:
    """Of two trials: one is done, one has reported twice and has no result."""
    record = a_run(WIDE)
    done, running = trials_of(record, lambda p: 0.5)
    running = replace(running, state=state, ended_ms=0, value=None, result=None)
    store = store_with(record, [done, running])
    store.table.put_all([Report(1, 1, step, {"val_accuracy": 0.25 * step}).to_item(record.run) for step in range(2)])
    found = Run.__new__(Run)
    found._open(Site("s", store), record.run)
    return found


@pytest.mark.parametrize(("state", "shown"), [("run", "running"), ("cancelled", "cancelled")])
def test_a_file_gets_whole_lines(
    state: str, shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    print_trials(a_sweep(state), 100)
    header, done, running, *_ = capsys.readouterr().out.splitlines()
    assert header.split() == ["trial", *NAMES, "val_accuracy", "state", "steps", "attempt", "time"]
    assert "50.0 %  done" in done
    told = running.split()
    at = told.index(shown)
    assert told[at - 2 : at + 2] == ["25.0", "%", shown, "2"], "what it reported last, in its second step"


@pytest.mark.parametrize("width", [60, 80])
def test_a_narrow_terminal_gets_whole_names_in_more_lines(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    print_trials(a_sweep(), 100)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    facts = lines[0].split()
    assert facts[:3] == ["trial", "val_accuracy", "state"] and facts[-1] == "parameters"
    said = "".join("".join(lines).split())
    assert all(said.count(f"{name}={name[:3]}") == 2 for name in NAMES if len(name) < 12), "for each of the trials"
    assert "…" not in said


def test_what_a_job_returns_has_columns_where_it_names_no_metric(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    record = a_run(WIDE, metric="")
    failed, done = (replace(trial, value=None, result=None) for trial in trials_of(record, lambda p: 0.5))
    failed, done = replace(failed, state="failed"), replace(done, result={"note": "fine", "acc": 0.25})
    found = Run.__new__(Run)
    found._open(Site("s", store_with(record, [failed, done])), record.run)
    print_trials(found, 100)
    out, err = capsys.readouterr()
    header, _, line = out.splitlines()[:3]
    assert header.split() == ["trial", *NAMES, "note", "acc", "state", "attempt", "time"]
    assert line.split()[-6:] == ["fine", "0.25", "done", "1", "2.0", "s"]
    assert "--metric acc:max" in err, "the first that is a number"
