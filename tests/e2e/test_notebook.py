"""The notebook in examples/ runs from its first cell to its last, on an embedded cloud of its own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from stack_shell import Shell

ROOT = Path(__file__).parents[2]


def outputs(cell: Any) -> str:
    """What a cell shows, as text."""
    return "".join(out.get("text") or out.get("data", {}).get("text/plain", "") for out in cell.outputs)


def test_it_is_committed_without_outputs() -> None:
    for cell in nbformat.read(ROOT / "examples" / "search.ipynb", 4).cells:
        assert not cell.get("outputs") and not cell.get("execution_count"), "clear all outputs before you commit it"


def test_it_runs_and_leaves_nothing_behind(shell: Shell) -> None:
    pytest.importorskip("matplotlib")
    for name in ("examples", "specs"):
        shutil.copytree(ROOT / name, shell.folder / name)
    book = nbformat.read(shell.folder / "examples" / "search.ipynb", 4)
    client = NotebookClient(book, timeout=120, resources={"metadata": {"path": str(shell.folder / "examples")}})
    try:
        client.execute(env=shell.env)
        shown = {cell.source: outputs(cell) for cell in book.cells if cell.cell_type == "code"}
        followed = next(text for source, text in shown.items() if "as_completed" in source)
        errors = [float(line.split("rmse ")[1].split()[0]) for line in followed.splitlines()]
        assert errors and errors == sorted(errors, reverse=True) and errors[-1] < 0.2, "it finds a degree that fits"
        plot = next(cell for cell in book.cells if cell.source.startswith("run.plot"))
        assert [out.data["image/png"][:8] for out in plot.outputs] == ["iVBORw0K"]
        assert list(shown.values())[-2:] == ["()", "True"], "nothing is left of the stack, but the results are"
        assert shell.json("status") == []
    finally:
        shell.awsrun("local", "stop")
