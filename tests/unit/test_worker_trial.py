"""What a job's function is given: loops that go on, checkpoints when they are due, stops that nobody swallows."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from awsrun.worker.job import checkpoint, randomness
from awsrun.worker.job.files import below
from awsrun.worker.job.states import load_states
from awsrun.worker.job.trial import Stop, Trial, plain
from awsrun.worker.protocol.rungs import Halving


class Recorder:
    """A channel that remembers, and asks to stop after some reports."""

    def __init__(self, stop_after: int = 10**9, stop_at_rung: int = 10**9) -> None:
        self.messages: list[Mapping[str, Any]] = []
        self._stop_after, self._stop_at_rung = stop_after, stop_at_rung

    def send(self, message: Mapping[str, Any]) -> None:
        self.messages.append(message)

    def stopping(self) -> bool:
        return len(self.of("report")) >= self._stop_after

    def told_to_stop(self) -> bool:
        return int(self.messages[-1]["rung"]) >= self._stop_at_rung

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]


class Box:
    def __init__(self) -> None:
        self.value = 0

    def state_dict(self) -> dict[str, int]:
        return {"value": self.value}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.value = state["value"]


def make(folder: Path, channel: Recorder, every: float = 0.0, restored: Path | None = None, **more: Any) -> Trial:
    (folder / "out").mkdir(parents=True, exist_ok=True)
    return Trial(3, {"lr": 0.1}, 42, folder / "out", channel, every=every, scratch=folder, restored=restored, **more)


def count(trial: Trial, steps: int) -> list[float]:
    """A job: keeps a box, draws a number at each step."""
    randomness.seed(trial.seed)
    box = Box()
    trial.keep(box=box)
    drawn = []
    for _ in trial.range(steps):
        box.value += 1
        drawn.append(random.random())
        trial.report(value=box.value)
    return drawn


def test_a_trial_goes_on_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    whole = count(make(tmp_path, Recorder()), 6)
    first = Recorder(stop_after=4)
    with pytest.raises(Stop):
        count(make(tmp_path, first, every=1e9), 6)
    (saved,) = first.of("checkpoint")
    assert saved["step"] == 4, "nothing was due, but the stop makes one"
    second = Recorder()
    rest = count(make(tmp_path, second, restored=Path(saved["path"])), 6)
    assert rest == whole[4:]
    assert [(r["step"], r["metrics"]["value"]) for r in second.of("report")] == [(4, 5), (5, 6)]


def test_files_come_back_as_they_were_at_the_checkpoint(tmp_path: Path) -> None:
    trial = make(tmp_path / "first", first := Recorder(stop_after=2), every=1e9)
    trial.keep(box=Box())
    (trial.dir / "plots").mkdir()
    with pytest.raises(Stop):
        for step in trial.range(5):
            with (trial.dir / "log.csv").open("a") as file:
                file.write(f"{step}\n")
            (trial.dir / "plots" / f"{step}.png").write_bytes(bytes([step]))
            trial.report(value=step)
    (trial.dir / "log.csv").write_text("behind the checkpoint")
    (saved,) = first.of("checkpoint")
    again = make(tmp_path / "second", Recorder(), restored=Path(saved["path"]))
    assert {name: path.read_bytes() for name, path in below(again.dir)} == {
        "log.csv": b"0\n1\n",
        "plots/0.png": b"\0",
        "plots/1.png": b"\1",
    }


def test_checkpoints_come_when_they_are_due(tmp_path: Path) -> None:
    now = [0.0]
    channel = Recorder()
    trial = Trial(0, {}, 1, tmp_path / "out", channel, every=30, scratch=tmp_path, clock=lambda: now[0])
    trial.keep(box=Box())
    for _ in trial.range(10):
        now[0] += 10
        trial.report(x=1)
    assert [message["step"] for message in channel.of("checkpoint")] == [3, 6, 9]


def test_at_a_rung_it_checkpoints_and_asks_and_goes_on_behind_it(tmp_path: Path) -> None:
    whole = count(make(tmp_path, Recorder()), 9)
    first = Recorder(stop_at_rung=1)
    with pytest.raises(Stop):
        count(make(tmp_path, first, every=1e9, halving=Halving(3, 1)), 9)
    assert [(m["rung"], m["step"], m["metrics"]) for m in first.of("rung")] == [
        (0, 1, {"value": 1}),
        (1, 3, {"value": 3}),
    ]
    assert [message["step"] for message in first.of("checkpoint")] == [1, 3]
    promoted = Recorder()
    restored = Path(first.of("checkpoint")[-1]["path"])
    assert (
        count(make(tmp_path, promoted, every=1e9, restored=restored, halving=Halving(3, 1), passed=2), 9) == whole[3:]
    )
    assert promoted.of("rung") == [], "let past the second; and the third is its end"
    lost = Recorder(stop_at_rung=1)
    with pytest.raises(Stop):
        count(make(tmp_path, lost, restored=restored, halving=Halving(3, 1), passed=1), 9)
    assert [(m["rung"], m["metrics"]) for m in lost.of("rung")] == [(1, {"value": 3})], "it was lost as it waited"
    assert lost.of("report") == []


def test_without_a_checkpoint_it_passes_again_where_it_was_let_past(tmp_path: Path) -> None:
    channel = Recorder()
    trial = make(tmp_path, channel, halving=Halving(2, 1), passed=2)
    for _ in trial.range(9):
        trial.report(x=1)
    assert [(message["rung"], message["step"]) for message in channel.of("rung")] == [(2, 4), (3, 8)]
    assert channel.of("checkpoint") == []


def test_an_iteration_that_reports_nothing_is_complete_at_its_end(tmp_path: Path) -> None:
    channel = Recorder()
    trial, box, seen = make(tmp_path, channel, every=1e9), Box(), []
    trial.keep(box=box)
    with pytest.raises(Stop):
        for i in trial.range(6):
            seen.append(i)
            box.value += 1
            if i == 2:
                channel.stopping = lambda: True  # type: ignore[method-assign]
    again = make(tmp_path, Recorder(), restored=Path(channel.of("checkpoint")[0]["path"]))
    again.keep(box=(other := Box()))
    assert (seen, list(again.range(6)), other.value) == ([0, 1, 2], [3, 4, 5], 3)


def a_life(folder: Path, channel: Recorder, values: list[float], restored: Path | None = None, **more: Any) -> Trial:
    """Report one value after the other, each a second after the one before; the trial."""
    now = [0.0]
    settings: dict[str, Any] = {"every": 1e9, "metric": "value", "kept": frozenset({"best", "last"}), **more}
    trial = Trial(
        3, {}, 42, folder / "out", channel, scratch=folder, restored=restored, clock=lambda: now[0], **settings
    )
    box = Box()
    trial.keep(box=box)
    for i in trial.range(len(values)):
        now[0] += 1
        box.value += 1
        trial.report(value=values[i])
    trial.conclude()
    return trial


def test_the_best_state_and_the_last_are_kept(tmp_path: Path) -> None:
    channel = Recorder()
    a_life(tmp_path, channel, [0.1, 0.5, 0.4, float("nan"), 0.5, 0.3])
    made = channel.of("checkpoint")
    assert [(m["step"], bool(m["best"]), bool(m["last"])) for m in made] == [
        (1, True, False), (2, True, False), (6, False, True)
    ]  # fmt: skip
    assert made[1]["best"] == {"attempt": 1, "step": 2, "value": 0.5}
    assert load_states(made[1]["path"]) == {"box": {"value": 2}}
    assert load_states(made[2]["path"]) == {"box": {"value": 6}}
    again = Recorder()
    a_life(tmp_path, again, [0.0] * 6 + [0.4, 0.6], Path(made[2]["path"]), attempt=2)
    assert again.of("restored") == [{"type": "restored", "step": 6, "best": made[1]["best"], "top": 0.5}]
    (better,) = again.of("checkpoint")
    assert (better["best"], better["last"]) == ({"attempt": 2, "step": 8, "value": 0.6}, None), "the best is the last"


def test_only_what_is_wanted_is_written(tmp_path: Path) -> None:
    for kept, steps in (({"best"}, [1]), ({"last"}, [3]), (set(), [])):
        channel = Recorder()
        a_life(tmp_path, channel, [0.3, 0.4, 0.5], mode="min", kept=frozenset(kept))
        assert [message["step"] for message in channel.of("checkpoint")] == steps, kept


def test_the_best_state_takes_no_more_than_a_tenth_of_the_time(tmp_path: Path) -> None:
    now, channel = [0.0], Recorder()

    class Slow(Box):
        def state_dict(self) -> dict[str, int]:
            now[0] += 1
            return super().state_dict()

    trial = Trial(
        0, {}, 1, tmp_path / "out", channel, every=1e9, scratch=tmp_path, clock=lambda: now[0], metric="v",
        kept=frozenset({"best"}),
    )  # fmt: skip
    trial.keep(box=Slow())
    for i in trial.range(100):
        now[0] += 1
        trial.report(v=i)
    assert 10 <= len(channel.of("checkpoint")) <= 14


def test_without_anything_to_keep_there_is_no_checkpoint(tmp_path: Path) -> None:
    channel = Recorder(stop_after=2)
    trial = make(tmp_path, channel)
    with pytest.raises(Stop):
        for _ in trial.range(5):
            trial.report(x=1)
    assert channel.of("checkpoint") == []


def test_save_and_restore(tmp_path: Path) -> None:
    channel = Recorder()
    trial = make(tmp_path, channel)
    assert trial.restore() is None
    for i in trial.range(3):
        trial.save({"i": i})
    path = Path(channel.of("checkpoint")[-1]["path"])
    again = make(tmp_path, Recorder(), restored=path)
    assert again.restore() == {"i": 2} and list(again.range(5)) == [3, 4]


def test_a_stop_is_no_exception(tmp_path: Path) -> None:
    trial = make(tmp_path, Recorder(stop_after=1))
    with pytest.raises(Stop):
        try:
            trial.report(x=1)
        except Exception:
            pytest.fail("swallowed")


def test_what_may_be_kept_and_reported(tmp_path: Path) -> None:
    trial = make(tmp_path, Recorder())
    with pytest.raises(TypeError, match=r"keep\(x=...\): a int has no state_dict"):
        trial.keep(x=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"report\(x=...\): a object is not a number"):
        trial.report(x=object())  # type: ignore[arg-type]


def test_numbers_of_numpy_and_torch_are_plain() -> None:
    numpy, torch = pytest.importorskip("numpy"), pytest.importorskip("torch")
    values = {"a": numpy.float32(0.5), "b": torch.tensor(2), "c": [numpy.int64(3)], "d": numpy.bool_(True)}
    found = plain(values, "result")
    assert found == {"a": 0.5, "b": 2, "c": [3], "d": True}
    assert [type(value) for value in found.values()] == [float, int, list, bool]


def test_a_checkpoint_that_cannot_be_read_costs_no_more_than_what_was_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "restored-1").write_bytes(b"half a checkpo")
    channel = Recorder()
    assert len(count(make(tmp_path, channel, restored=tmp_path / "restored-1", attempt=2), 3)) == 3
    assert not channel.of("restored") and len(channel.of("report")) == 3
    assert "the checkpoint cannot be read, the trial starts anew: ValueError" in capsys.readouterr().out


def test_a_full_disk_costs_the_checkpoint_and_not_the_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    channel, write, full = Recorder(), checkpoint.write, [True]

    def on_a_full_disk(path: Path, state: Any, folder: Path | None = None) -> str:
        if full[0]:
            path.with_suffix(".part").write_bytes(b"half")
            raise OSError(28, "No space left on device")
        return write(path, state, folder)

    monkeypatch.setattr(checkpoint, "write", on_a_full_disk)
    trial = make(tmp_path, channel, metric="y", kept=frozenset({"best"}))
    trial.keep(box=Box())
    trial.report(y=0.5)
    assert not channel.of("checkpoint") and not list(tmp_path.glob("*.part"))
    assert "no checkpoint could be written: [Errno 28] No space left on device" in capsys.readouterr().out
    full[0] = False
    trial.report(y=0.4)
    (made,) = channel.of("checkpoint")
    assert made["best"]["step"] == 2, "the better state is not there"
