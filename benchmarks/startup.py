"""`awsrun --help` against `python -c "import click"`, run in turn, medians of 11."""

from __future__ import annotations

import sys

from benchmarks.bench import AWSRUN, alternately


def measure() -> list[dict[str, object]]:
    ours, click, ratio = alternately([AWSRUN, "--help"], [sys.executable, "-c", "import click"])
    return [
        {"command": "awsrun --help", "ms": f"{ours * 1e3:.0f}", "ratio": f"{ratio:.2f}"},
        {"command": 'python -c "import click"', "ms": f"{click * 1e3:.0f}", "ratio": "1"},
    ]
