"""Checkpoint files: what goes in comes back, and nothing else can."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

from awsrun.worker.job import checkpoint
from awsrun.worker.job.files import below


@pytest.mark.parametrize(
    "state",
    [
        None,
        {"a": [1, 2.5, "é", None, True], "b": (1, (2,)), "c": b"\x00\xff", "d": {1, 2}},
        {0: {"lr": 0.1}, (1, 2): "a key of two", "nan": float("inf")},
        {"d": {"T": "0"}, "l": []},
    ],
)
def test_plain_values(tmp_path: Path, state: Any) -> None:
    path = tmp_path / "c.ckpt"
    checkpoint.write(path, state)
    assert checkpoint.read(path) == state
    assert [file.name for file in tmp_path.iterdir()] == ["c.ckpt"], "nothing is left beside it"


def test_arrays(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(6, dtype="float32").reshape(2, 3)
    checkpoint.write(tmp_path / "c", {"a": [array], "n": numpy.int64(5)})
    found = checkpoint.read(tmp_path / "c")
    assert found["a"][0].dtype == array.dtype and (found["a"][0] == array).all() and found["n"] == 5


def test_a_model_and_its_optimizer(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    checkpoint.write(tmp_path / "c", {"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    found = checkpoint.read(tmp_path / "c")
    other = torch.nn.Linear(3, 2)
    again = torch.optim.Adam(other.parameters(), lr=0.5)
    other.load_state_dict(found["model"])
    again.load_state_dict(found["optimizer"])
    assert torch.equal(other.weight, model.weight)
    assert again.param_groups[0]["lr"] == 0.1
    for state, wanted in zip(
        again.state_dict()["state"].values(), optimizer.state_dict()["state"].values(), strict=True
    ):
        assert torch.equal(state["exp_avg"], wanted["exp_avg"])


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("this must not run",)


def test_objects_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"cannot checkpoint state\['kept'\]\[0\]: a .*Evil"):
        checkpoint.write(tmp_path / "c", {"kept": [Evil()]})


def test_a_pickle_is_not_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    path = tmp_path / "c"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tree.json", '{"T": "0"}')
        archive.writestr("tensors.pt", pickle.dumps({"0": Evil()}, protocol=2))
    with pytest.raises(pickle.UnpicklingError):
        checkpoint.read(path)
    assert "this must not run" not in capsys.readouterr().out


def test_what_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(b"half a file")
    with pytest.raises(ValueError, match="is not a checkpoint"):
        checkpoint.read(tmp_path / "c")


def test_files_that_are_too_much_are_left_out_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, again = tmp_path / "out", tmp_path / "again"
    folder.mkdir()
    (folder / "small.txt").write_text("1234")
    (folder / "elsewhere").symlink_to("/etc/passwd")
    monkeypatch.setattr(checkpoint, "MOST_BYTES", 4)
    assert checkpoint.write(tmp_path / "c", {"a": 1}, folder) == ""
    checkpoint.unpack(tmp_path / "c", again)
    assert [name for name, _ in below(again)] == ["small.txt"], "links are not followed"
    (folder / "b\udcff").write_text("")
    assert checkpoint.write(tmp_path / "c", {"a": 1}, folder) == "", "a name that is no text"
    (folder / "more.txt").write_text("5")
    assert checkpoint.write(tmp_path / "c", {"a": 1}, folder) == "2 files of 0 MB"
    assert checkpoint.read(tmp_path / "c") == {"a": 1}


def test_no_file_comes_back_outside_its_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "c", "w") as archive:
        archive.writestr("files/../../evil.txt", "")
        archive.writestr("files//tmp/evil.txt", "")
        archive.writestr("files/good.txt", "")
    checkpoint.unpack(tmp_path / "c", tmp_path / "in" / "out")
    assert [name for name, _ in below(tmp_path)] == ["c", "in/out/good.txt"]
