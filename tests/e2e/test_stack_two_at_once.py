"""Two commands at once on one stack, from two directories: one goes on, the other is told who is at work."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from stack_shell import BIN, WITHOUT_AWS, Shell

ROOT = Path(__file__).parents[2]
SPEC = (ROOT / "specs" / "batch.yaml").read_text()
PATIENCE = 60.0  # seconds


@pytest.fixture
def slow_cloud(fresh_cloud: Any) -> Any:
    """One in which an environment takes a few seconds, as on AWS it takes a minute."""
    fresh_cloud.control("start", "--options", '{"strict": true, "time_scale": 0.2}')
    return fresh_cloud


def test_the_second_is_refused_with_the_name_of_the_first(slow_cloud: Any, tmp_path: Path) -> None:
    here, there = (Shell(tmp_path / name, WITHOUT_AWS | slow_cloud.env) for name in ("here", "there"))
    for shell in (here, there):
        shell.folder.mkdir()
        shell.write(SPEC)
    first = subprocess.Popen(
        [str(BIN / "awsrun"), "apply", "spec.yaml"],
        cwd=here.folder,
        env=here.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    _until_locked(slow_cloud)
    commands = (["apply", "spec.yaml"], ["teardown", "mnist", "--yes"])
    with ThreadPoolExecutor(2) as pool:
        seconds = list(pool.map(lambda command: there.awsrun(*command, code=1), commands))
    for second in seconds:
        assert "stack 'mnist' is being changed by" in second.stderr
        assert f"(process {first.pid})" in second.stderr
    assert first.wait(timeout=PATIENCE) == 0, first.stderr and first.stderr.read()
    assert there.json("plan", "spec.yaml")["changes"] == [], "the second has changed something, or the first not all"


def _until_locked(cloud: Any) -> None:
    dynamodb, end = cloud.client("dynamodb"), time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if "Item" in dynamodb.get_item(TableName="awsrun-mnist", Key={"pk": {"S": "LOCK"}}):
                return
        except dynamodb.exceptions.ResourceNotFoundException:
            pass
        time.sleep(0.05)
    raise AssertionError("the first apply never took the lock")
