"""Requirements: what the image has is not fetched again, an index that does not answer is asked again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from awsrun.worker import requirements
from tests.wheels import wheel

PIP = """
import pathlib, sys
count = pathlib.Path({count!r})
said = int(count.read_text()) if count.exists() else 0
count.write_text(str(said + 1))
print({said!r}, file=sys.stderr)
sys.exit(0 if said == {fails} else 1)
"""
BROKEN = "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError(...)': /simple/numpy/"
MISSING = "ERROR: No matching distribution found for numpi"


@pytest.mark.parametrize(
    ("said", "fails", "runs", "error"),
    [(BROKEN, 2, 3, False), (BROKEN, 99, requirements.TRIES, True), (MISSING, 99, 1, True)],
)
def test_an_index_that_does_not_answer_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, fails: int, runs: int, error: bool
) -> None:
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__init__.py").touch()
    if runs == 3:
        (tmp_path / "venv.py").write_text("raise ImportError('an image without it')")
    (tmp_path / "pip" / "__main__.py").write_text(PIP.format(count=str(tmp_path / "n"), said=said, fails=fails))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    waits: list[float] = []
    found = requirements.install(tmp_path / "requirements.txt", tmp_path / "site", waits.append)
    assert (tmp_path / "n").read_text() == str(runs) and len(waits) == runs - 1
    assert bool(found) == error and (not found or said in found["traceback"])


def test_what_the_image_has_is_not_fetched_again(tmp_path: Path) -> None:
    """``--no-index``: whatever is not there cannot be had."""
    file, site = tmp_path / "requirements.txt", tmp_path / "site"
    file.write_text(f"--no-index\npydantic>=1\n{wheel(tmp_path, 'hello')}")
    assert requirements.install(file, site, lambda _: None) is None
    found = requirements.packages(site)
    assert (found / "greet.py").exists() and not list(found.glob("pydantic*"))
