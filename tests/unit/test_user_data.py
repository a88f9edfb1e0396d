"""What a server runs first, and the watcher that powers it off: the script itself, on readings made up."""

from __future__ import annotations

import email
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from awsrun.resources.ec2_user_data import MOST, WATCHER, UserData, mistake

NOTHING = "#!/bin/sh\n"
MINUTE = 60


@dataclass
class Machine:
    """A folder that has what the watcher reads, and commands that say what they are told to."""

    folder: Path

    def __post_init__(self) -> None:
        for name in ("bin", "proc", "net/eth0/statistics", "kept"):
            (self.folder / name).mkdir(parents=True)
        for command in ("curl", "ss", "who", "nvidia-smi", "logger"):
            self.says(command, "")
        self.program("pgrep", "exit 1")
        self.program("shutdown", f"echo off > {self.folder}/off")
        self.tag(30)
        self.load("0.02")
        self.traffic(1000)

    def program(self, name: str, body: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def says(self, command: str, text: str) -> None:
        self.program(command, f"printf '%s' '{text}'")

    def tag(self, minutes: int) -> None:
        self.program("curl", f'case "$*" in *stop-when-idle*) echo {minutes} ;; *) echo token ;; esac')

    def load(self, average: str) -> None:
        (self.folder / "proc/loadavg").write_text(f"{average} 0.01 0.00 1/99 1234\n")

    def traffic(self, received: int) -> None:
        for name, count in (("rx_bytes", received), ("tx_bytes", 0)):
            (self.folder / "net/eth0/statistics" / name).write_text(f"{count}\n")

    def looks(self, at: int) -> bool:
        """Whether it is powered off by the look at that many seconds after its start."""
        (self.folder / "proc/uptime").write_text(f"{at}.25 1.00\n")
        places = {f"AWSRUN_{name.upper()}": str(self.folder / name) for name in ("proc", "net", "kept")}
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        done = subprocess.run(["sh", "-c", WATCHER], env={"PATH": path, **places}, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return (self.folder / "off").exists()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_an_idle_server_is_powered_off_after_its_minutes(machine: Machine) -> None:
    assert not machine.looks(60)
    assert not machine.looks(60 + 29 * MINUTE)
    assert machine.looks(60 + 30 * MINUTE)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("ss", "0 0 10.0.0.4:22 203.0.113.9:50000"),
        ("who", "ec2-user pts/0 2026-01-01 00:00"),
        ("nvidia-smi", "97"),
    ],
)
def test_a_session_and_a_busy_gpu_keep_it_up(machine: Machine, command: str, said: str) -> None:
    machine.looks(60)
    machine.says(command, said)
    assert not machine.looks(60 + 40 * MINUTE)
    machine.says(command, "")
    assert not machine.looks(60 + 69 * MINUTE), "the minutes count from the last use"
    assert machine.looks(60 + 70 * MINUTE)


def test_load_traffic_and_session_manager_keep_it_up(machine: Machine) -> None:
    machine.looks(60)
    machine.load("0.30")
    assert not machine.looks(60 + 40 * MINUTE)
    machine.load("0.02")
    machine.traffic(6_000_000)
    assert not machine.looks(60 + 80 * MINUTE)
    machine.program("pgrep", "echo 4711")
    assert not machine.looks(60 + 120 * MINUTE)
    machine.program("pgrep", "exit 1")
    assert machine.looks(60 + 150 * MINUTE)


def test_the_tag_is_followed_and_remembered_where_metadata_fail(machine: Machine) -> None:
    machine.tag(0)
    assert not machine.looks(600 * MINUTE), "0 is never"
    machine.tag(10)
    assert not machine.looks(609 * MINUTE)
    machine.program("curl", "exit 28")
    assert machine.looks(610 * MINUTE)


def test_both_scripts_are_parts_of_one_document_that_is_always_the_same() -> None:
    whole = UserData("#cloud-config\npackages: [htop]\n").whole(watched=True)
    assert whole == UserData("#cloud-config\npackages: [htop]\n").whole(watched=True), "a repeat must be equal"
    watcher, own = email.message_from_string(whole).get_payload()
    assert (watcher.get_content_type(), own.get_content_type()) == ("text/x-shellscript", "text/cloud-config")
    assert WATCHER in watcher.get_payload() and "htop" in own.get_payload()
    assert subprocess.run(["sh", "-n"], input=watcher.get_payload(), text=True).returncode == 0
    assert UserData(NOTHING).whole(watched=False) == NOTHING
    assert UserData().whole(watched=False) == ""


def test_user_data_is_compared_by_its_fingerprint_and_never_printed() -> None:
    secret = UserData("#!/bin/sh\necho secret\n")
    assert secret == UserData(fingerprint=secret.fingerprint) != UserData(NOTHING)
    assert "secret" not in f"{secret} {secret!r}"


def test_what_is_too_long_or_of_no_kind_is_a_mistake() -> None:
    assert mistake(NOTHING + "#" * (MOST - len(NOTHING)), watched=False) == ""
    assert "16385 bytes" in mistake(NOTHING + "#" * (MOST - len(NOTHING) + 1), watched=False)
    assert "EC2 takes 16384" in mistake(NOTHING + "#" * 15000, watched=True), "the watcher takes some of it"
    assert "#cloud-config" in mistake("echo hello\n", watched=True)
