"""A machine that is suspended in the middle of an apply, overtaken by another, and woken up again does no harm.

The other machine is a process in a pid namespace of its own, which cannot see whether the first one lives, and so waits
until its lease has run out.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT_KEYS, Commands, forking
from inventory import clients_of, inventory
from killing_proxy import Moment

ELSEWHERE = ("unshare", "--pid", "--fork", "--mount-proc")
PATIENCE = 60.0  # seconds
THREADS = 16  # each may have been suspended between its look at the lease and its call
# Seconds are quick there, so that a lease lasts 12 of them.
OPTIONS = {"strict": True, "time_scale": 0.01}


def _may_unshare() -> bool:
    try:
        return subprocess.run([*ELSEWHERE, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not _may_unshare(), reason="no pid namespaces here")
@pytest.mark.parametrize("options", [OPTIONS], ids=["strict"])
@pytest.mark.parametrize(("at", "moment"), [(12, "before"), (30, "after")])
def test_a_suspended_apply_that_wakes_up_changes_nothing(
    at: int, moment: Moment, options: dict[str, Any], commands: Commands, fresh_cloud: Any, specs: list[Path]
) -> None:
    clients = clients_of(fresh_cloud.endpoint)
    commands.begin("apply", at, moment, signal.SIGSTOP)
    sleeper = commands.trap
    end = time.monotonic() + PATIENCE
    while not sleeper.sprung:
        assert time.monotonic() < end, "it was never suspended"
        time.sleep(0.05)
    with forking(fresh_cloud.env | ROOT_KEYS, fresh_cloud.endpoint, specs, *ELSEWHERE) as process:
        other = Commands(process)
        other.clean("apply")
        made, before = inventory(clients), len(sleeper.seen)
        assert made["queue"], "it made less than all"

        os.kill(sleeper.pid, signal.SIGCONT)
        status, said, _ = commands.end()
        assert status == 1
        assert "lost the lock of stack 'mnist'" in said
        late = [name for name in sleeper.seen[before:] if name != "UpdateItem"]  # the attempt to renew, refused
        assert len(late) <= THREADS, "it went on although it had lost the lock"

        other.clean("apply")  # a call that was on its way already may have made a double: it goes
        assert inventory(clients) == made
        other.clean("teardown")
