"""What a submit refuses, it refuses before anything is called: there is no cloud in these tests at all."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest
from jobs_stack import AWSRUN, LIGHT

NOWHERE = "http://127.0.0.1:9"  # the discard port: a call would fail with another message


def submit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "AWSRUN_"))}
    env = {**clean, "AWSRUN_HOME": str(folder / "home"), "AWS_ENDPOINT_URL": NOWHERE}
    command = [AWSRUN, "submit", "--context", "aws", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["job.py", "--grid", "lrr=0.1"], "job.py has no parameter 'lrr'"),
        (["job.py", "--grid", "lrr=0.1"], "did you mean 'lr'?"),
        (["job.py", "--set", "lr=fast"], "lr=fast: 'fast' is not a float"),
        (["job.py", "--set", "ends=well done"], "is not one of 'well' or 'badly'"),
        (["job.py", "--grid", "lr="], "the grid of lr is empty"),
        (["job.py", "--grid", "lr"], "write it as NAME=VALUE"),
        (["job.py", "--grid", "lr=1", "--grid", "lr=2"], "--grid lr is given twice"),
        (["job.py", "--grid", "lr=1,1.0"], "holds 1.0 twice"),
        (["job.py", "--range", "lr=0..1"], "how many trials"),
        (["job.py", "--workers", "0"], "workers: must be at least 1; this is 0"),
        (["broken.py"], "broken.py:2: syntax error"),
        (["empty.py"], "empty.py has no entry function"),
        (["jab.py"], "there is no job file jab.py"),
        (["jab.py"], "did you mean job.py?"),
        (["job.py", "--inputs", "bad.jsonl"], "bad.jsonl:2: lr=x: 'x' is not a float"),
        (["job.py", "--timeout", "soon"], "timeout: 'soon' is no duration"),
        (["job.py", "--requirements", "none.txt"], "there is no requirements file none.txt"),
    ],
)
def test_a_submit_that_cannot_be_right_is_refused(tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "job.py").write_text(LIGHT)
    (tmp_path / "broken.py").write_text("def train(trial):\n    return {\n")
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "bad.jsonl").write_text('{"lr": 0.1}\n{"lr": "x"}\n')
    done = submit(tmp_path, *arguments)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_no_credentials_are_said_to_be_missing(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(LIGHT)
    env_home = {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "us-east-1"}
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "AWSRUN_"))}
    env = {**clean, **env_home, "AWSRUN_HOME": str(tmp_path / "home")}
    command = [AWSRUN, "submit", "--context", "aws", "job.py"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "cannot use AWS with these credentials" in done.stderr


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_has_colours_unless_the_user_wants_none(tmp_path: Path, no_color: str) -> None:
    here, there = pty.openpty()
    env = {**os.environ, "NO_COLOR": no_color}
    subprocess.run([AWSRUN, "submit", "nothing.py"], cwd=tmp_path, env=env, stdout=there, stderr=there, check=False)
    os.close(there)
    said = os.read(here, 4096)
    os.close(here)
    assert b"there is no job file nothing.py" in said
    assert (b"\x1b[" in said) == (not no_color)
