"""An Ansible of its own, in a virtual environment below the user's cache folder, and the batch stack's playbook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ANSIBLE = "12.3.0"  # amazon.aws and community.aws come with it
PLAYBOOK = Path(__file__).with_name("playbook.yaml")
ACCOUNT = "123456789012"


def ansible() -> Path:
    """The folder with ``ansible-playbook``; installed on first use (about 600 MB, half a minute)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "awsrun-benchmarks" / f"ansible-{ANSIBLE}"
    if not (folder / "done").exists():
        print(f"installing Ansible {ANSIBLE} in {folder}, once\n", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"ansible=={ANSIBLE}", "boto3"], check=True)
        (folder / "done").touch()
    return folder / "bin"


def play(env: dict[str, str], home: Path) -> float:
    """Wall seconds of one ``ansible-playbook``, with Ansible's default settings."""
    bin = ansible()
    more = {
        "ansible_python_interpreter": str(bin / "python"),
        "account": ACCOUNT,
        "trust_ec2": _trust("ec2"),
        "trust_tasks": _trust("ecs-tasks"),
        "policy": _policy(f"arn:aws:s3:::mnist-results-{ACCOUNT}"),
    }
    command = [str(bin / "ansible-playbook"), "-i", "localhost,", str(PLAYBOOK), "-e", json.dumps(more)]
    start = time.perf_counter()
    done = subprocess.run(command, env={**env, "ANSIBLE_HOME": str(home)}, capture_output=True, text=True)
    wall = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"the playbook failed:\n{done.stdout}\n{done.stderr}")
    return wall


def _trust(service: str) -> str:
    principal = {"Service": f"{service}.amazonaws.com"}
    return _document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})


def _policy(bucket: str) -> str:
    actions = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    return _document({"Effect": "Allow", "Action": actions, "Resource": f"{bucket}/*"})


def _document(statement: dict[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
