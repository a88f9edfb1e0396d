"""Two commands at once on one stack, from two directories: one goes on, the other is told who is at work.  And a
command that gets Ctrl-C: the same goes on later."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from stack_shell import BIN, WITHOUT_AWS, Shell

from tests.conftest import LocalCloud

ROOT = Path(__file__).parents[2]
SPEC = (ROOT / "specs" / "batch.yaml").read_text()
TABLE = "stack: small\nresources:\n  people: {kind: dynamodb.table, hash_key: id, purge: true}\n"
PATIENCE = 60.0  # seconds


@pytest.fixture(scope="module")
def slow_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """One in which an environment takes a few seconds, as on AWS it takes a minute, and a table half a second."""
    cloud = LocalCloud.at(tmp_path_factory.mktemp("slow"))
    cloud.start(strict=True, time_scale=0.1)
    yield cloud
    cloud.stop()


def test_the_second_is_refused_with_the_name_of_the_first(slow_cloud: LocalCloud, tmp_path: Path) -> None:
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


def test_ctrl_c_finishes_what_is_under_way_and_the_same_command_goes_on(slow_cloud: LocalCloud, tmp_path: Path) -> None:
    shell = Shell(tmp_path, WITHOUT_AWS | slow_cloud.env)
    spec = shell.write(TABLE)
    said = _interrupted(shell, "to create", "apply", spec)
    assert "awsrun: stopped by Ctrl-C\n" in said and "→ run the same apply again" in said
    assert "failed" not in said, "nothing has"
    shell.awsrun("apply", spec)
    said = _interrupted(shell, "awsrun.table", "teardown", "small", "--yes")
    assert "awsrun: stopped by Ctrl-C\n" in said and "→ run the same teardown again" in said
    assert "nothing of stack small is left" in shell.awsrun("teardown", "small", "--yes").stdout
    assert [name for name in slow_cloud.client("dynamodb").list_tables()["TableNames"] if "small" in name] == []


def _interrupted(shell: Shell, shown: str, *arguments: str) -> str:
    """What ``awsrun ARGUMENTS`` says on stderr that gets Ctrl-C once ``shown`` stands on its stdout."""
    process = subprocess.Popen(
        [str(BIN / "awsrun"), *arguments],
        cwd=shell.folder,
        env=shell.env | {"PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while shown not in (line := process.stdout.readline()):
        assert line, f"it ended before: {process.communicate()[1]}"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGINT, said
    return said


def _until_locked(cloud: LocalCloud) -> None:
    dynamodb, end = cloud.client("dynamodb"), time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if "Item" in dynamodb.get_item(TableName="awsrun-mnist", Key={"pk": {"S": "LOCK"}}):
                return
        except dynamodb.exceptions.ResourceNotFoundException:
            pass
        time.sleep(0.05)
    raise AssertionError("the first apply never took the lock")
