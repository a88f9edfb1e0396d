"""Creating `specs/batch.yaml`, and applying it again without a change, against an Ansible playbook of the same.

Both talk to the same plain embedded cloud, warm and empty before each create, through a proxy that counts the calls on
the wire and keeps each back for 0 or 50 ms.  Medians of 3 rounds, in which the two take turns.  Wall time is from Enter
to the prompt; of it awsrun's start is what passes before its first call.  The limit is the critical path: the longest
chain of calls that need each other, at 50 ms each (`benchmarks/critical_path.py` says what is in it).
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.bench import AWSRUN, ROOT
from benchmarks.critical_path import check, critical_path
from benchmarks.playbook import ansible, play
from benchmarks.wire import Wire

SPEC, ROUNDS, LATENCY = "specs/batch.yaml", 3, 0.05


@dataclass(frozen=True)
class Took:
    """One command: seconds of all of it, seconds before its first call, seconds from there to its last answer."""

    wall: float
    start: float
    wire: float
    calls: int


def measure() -> list[dict[str, object]]:
    ansible()
    rows: list[dict[str, object]] = []
    path = critical_path(SPEC)
    for latency in (0.0, LATENCY):
        rounds = [_round(latency, path) for _ in range(ROUNDS)]
        ours_new, ours_same, theirs_new, theirs_same = zip(*rounds, strict=True)
        rows.append(_row("awsrun", latency, ours_new, ours_same))
        rows.append(_row("Ansible", latency, theirs_new, theirs_same))
        ratios = [[b.wall / a.wall for a, b in zip(*pair, strict=True)] for pair in _pairs(rounds)]
        create, again = (f"{median(ratio):.1f} times" for ratio in ratios)
        rows.append(
            {**dict.fromkeys(rows[0], ""), "what": "Ansible over awsrun", "create s": create, "no change s": again}
        )
        if latency:
            limit = len(path) * latency
            rows.append(
                {
                    **dict.fromkeys(rows[0], ""),
                    "what": f"critical path, {len(path)} calls",
                    "latency ms": f"{latency * 1e3:.0f}",
                    "create s": f"{limit:.2f}",
                    "of it on the wire": f"awsrun: {median(one.wire for one in ours_new) / limit:.2f} times that",
                }
            )
    return rows


def _pairs(rounds: list[tuple[Took, ...]]) -> tuple[tuple[list[Took], list[Took]], tuple[list[Took], list[Took]]]:
    by = [list(column) for column in zip(*rounds, strict=True)]
    return (by[0], by[2]), (by[1], by[3])


def _row(what: str, latency: float, new: tuple[Took, ...], same: tuple[Took, ...]) -> dict[str, object]:
    return {
        "what": what,
        "latency ms": f"{latency * 1e3:.0f}",
        "create s": f"{median(one.wall for one in new):.2f}",
        "of it start": f"{median(one.start for one in new):.2f}",
        "of it on the wire": f"{median(one.wire for one in new):.2f}",
        "calls": median(one.calls for one in new),
        "no change s": f"{median(one.wall for one in same):.2f}",
        "calls again": median(one.calls for one in same),
    }


def _round(latency: float, path: list[str]) -> tuple[Took, ...]:
    """awsrun creates and looks again, then Ansible does, on one server that has seen such a stack before."""
    with _server() as (home, env, endpoint), Wire(endpoint, latency) as wire:
        to_wire = {**env, "AWS_ENDPOINT_URL": wire.url}
        for _ in range(2):  # the first only warms the server: it imports a service when it is first asked for
            new = _took(wire, to_wire, home, "apply", SPEC, "--yes")
            same = _took(wire, to_wire, home, "apply", SPEC, "--yes")
            sent = [(call.name, call.start, call.end) for call in new[1]]
            _took(wire, to_wire, home, "teardown", "mnist", "--yes", "--purge")
        check(path, sent)
        theirs = [_took(wire, to_wire, home) for _ in range(2)]
        return new[0], same[0], *(took for took, _ in theirs)


def _took(wire: Wire, env: dict[str, str], home: Path, *awsrun: str) -> tuple[Took, list]:  # type: ignore[type-arg]
    """One command of awsrun, or the playbook."""
    wire.calls.clear()
    begun = time.monotonic()
    if awsrun:
        done = subprocess.run([AWSRUN, *awsrun], env=env, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"awsrun {' '.join(awsrun)} failed:\n{done.stderr}")
    else:
        play(env, home / "ansible")
    wall, calls = time.monotonic() - begun, list(wire.calls)
    first, last = min(call.start for call in calls), max(call.end for call in calls)
    return Took(wall, first - begun, last - first, len(calls)), calls


@contextmanager
def _server() -> Iterator[tuple[Path, dict[str, str], str]]:
    """An embedded cloud of its own, and the environment of commands that take it for AWS, all of it gone afterwards."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "AWSRUN_", "PYTHONDONT"))}
    with tempfile.TemporaryDirectory(prefix="awsrun-bench-") as folder:
        here = {**clean, "AWSRUN_HOME": folder}
        try:
            subprocess.run([AWSRUN, "local", "start"], env=here, check=True, capture_output=True)
            status = subprocess.run([AWSRUN, "local", "status", "--json"], env=here, check=True, capture_output=True)
            credentials = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
            region = {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
            env = {**here, **credentials, **region, "AWSRUN_CONTEXT": "aws"}
            yield Path(folder), env, json.loads(status.stdout)["endpoint"]
        finally:
            subprocess.run([AWSRUN, "local", "stop"], env=here, capture_output=True)
