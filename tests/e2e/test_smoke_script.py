"""scripts/smoke-aws.sh on the embedded cloud: to its end, stopped in the middle, and with an apply that fails.

However it ends, nothing of its stack is left, and nothing else was touched.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from stack_shell import BIN, Shell

SCRIPT = Path(__file__).parents[2] / "scripts" / "smoke-aws.sh"


@pytest.fixture
def smoke(shell: Shell, fresh_cloud: object) -> Shell:
    shell.env |= fresh_cloud.env | {"PATH": f"{BIN}:{os.environ['PATH']}", "SMOKE_STACK": "smoke-test"}  # type: ignore[attr-defined]
    return shell


def start(smoke: Shell) -> subprocess.Popen[str]:
    command = [str(SCRIPT), "--context", "local", "--yes"]
    return subprocess.Popen(
        command, cwd=smoke.folder, env=smoke.env, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    )


def log(smoke: Shell) -> str:
    path = smoke.folder / "smoke-test.log"
    return path.read_text() if path.exists() else ""


def test_the_whole_path(smoke: Shell, fresh_cloud: object) -> None:
    assert start(smoke).wait(timeout=180) == 0, log(smoke)
    said = log(smoke)
    assert "a second apply: no change" in said and "nothing of smoke-test is left" in said and "all went well" in said
    assert smoke.listed(fresh_cloud.endpoint) == {}  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle_it_still_tears_down(smoke: Shell, fresh_cloud: object, number: int) -> None:
    process = start(smoke)
    deadline = time.monotonic() + 120
    while "created " not in log(smoke):
        assert time.monotonic() < deadline and process.poll() is None, log(smoke)
        time.sleep(0.05)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does it: the command of the moment has it too
    else:
        process.send_signal(number)
    assert process.wait(timeout=120) == 130, log(smoke)
    said = log(smoke)
    assert "stopped during: awsrun apply" in said and "nothing of smoke-test is left" in said
    assert "awsrun submit" not in said
    assert smoke.listed(fresh_cloud.endpoint) == {}  # type: ignore[attr-defined]


def test_an_apply_that_fails_is_torn_down_and_what_others_own_stays(smoke: Shell, fresh_cloud: object) -> None:
    logs = fresh_cloud.client("logs")  # type: ignore[attr-defined]
    logs.create_log_group(logGroupName="/awsrun/smoke-test/train/logs")
    assert start(smoke).wait(timeout=180) == 1, log(smoke)
    said = log(smoke)
    assert "is not awsrun's" in said and "FAILED: awsrun apply" in said and "nothing of smoke-test is left" in said
    assert smoke.listed(fresh_cloud.endpoint) == {"logs": ["/awsrun/smoke-test/train/logs"]}  # type: ignore[attr-defined]
