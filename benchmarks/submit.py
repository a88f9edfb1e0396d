"""Submitting one trial and a million: the same few calls, so the same time."""

from __future__ import annotations

from benchmarks.bench import AWSRUN, ROOT, stack, timed


def measure() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    with stack() as cloud:
        for trials in (1, 1_000_000):
            command = [AWSRUN, "submit", "benchmarks/noop_job.py", "--range", "x=0..1", "--trials", str(trials)]
            wall, used = timed([*command, "--workers", "1"], env=cloud.env, cwd=ROOT)
            cloud.awsrun("cancel", "last")
            rows.append({"trials": f"{trials:,}", "wall s": f"{wall:.2f}", "CPU s of the command": f"{used:.2f}"})
    return rows
