"""A key pair in a stack's life: the private half stays on this machine, goes with the stack, and is never anybody's
own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from stack_shell import Shell

from awsrun.aws.clients import Cloud, connect
from awsrun.reconcile import api
from awsrun.reconcile.progress import Event
from tests.conftest import LocalCloud

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen")

SPEC = """\
stack: first
resources:
  key: {kind: key_pair}
  here: {kind: key_pair, path: keys/lab}
  mine: {kind: key_pair, public_key: id_ed25519.pub}
"""
OWN = "stack: own\nresources:\n  mine: {kind: key_pair, public_key: id_ed25519.pub}\n"
LAB = "stack: lab\nresources:\n  here: {kind: key_pair, path: keys/lab}\n"


def keygen(path: Path, *options: str) -> None:
    for file in (path, Path(f"{path}.pub")):
        file.unlink(missing_ok=True)
    command = ["ssh-keygen", "-q", "-N", "", *(options or ("-t", "ed25519")), "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


@pytest.fixture
def life(local_cloud: LocalCloud, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell whose user has a key already, beside the embedded cloud of the session."""
    shell.env["AWSRUN_HOME"] = str(local_cloud.home)
    for name in ("AWSRUN_HOME", "HOME"):
        monkeypatch.setenv(name, shell.env[name])
    keygen(shell.folder / "id_ed25519")
    return shell


@pytest.fixture
def cloud(life: Shell) -> Cloud:
    return connect("local")


def pairs(local_cloud: LocalCloud, stack: str) -> list[Any]:
    mine = [{"Name": "tag:awsrun:stack", "Values": [stack]}]
    found: list[Any] = local_cloud.client("ec2").describe_key_pairs(Filters=mine, IncludePublicKey=True)["KeyPairs"]
    return found


def torn_down(stack: str, cloud: Cloud) -> Sequence[str]:
    """What is said with the end of each resource."""
    said: list[str] = []

    def note(event: Event) -> None:
        if event.step == "done":
            said.append(event.why)

    api.teardown(stack, cloud, observer=note)
    return said


def test_a_life(life: Shell, local_cloud: LocalCloud) -> None:
    life.write(SPEC)
    applied = life.awsrun("apply", "spec.yaml")
    outputs = life.json("outputs", "first")
    files = {name: Path(outputs[name]["path"].replace("~", life.env["HOME"])) for name in outputs}
    assert files["here"] == life.folder / "keys" / "lab"
    assert files["key"].is_relative_to(life.env["AWSRUN_HOME"])
    assert files["mine"] == life.folder / "id_ed25519"
    assert {files[name].stat().st_mode & 0o777 for name in ("key", "here")} == {0o400}

    there = {one["KeyPairId"]: one["PublicKey"].split()[1] for one in pairs(local_cloud, "first")}
    for name, file in files.items():
        told = subprocess.run(["ssh-keygen", "-l", "-f", str(file)], capture_output=True, text=True, check=True)
        assert told.stdout.split()[1] == outputs[name]["fingerprint"]
        assert there[outputs[name]["id"]] == Path(f"{file}.pub").read_text().split()[1]
    assert {outputs[name]["name"] for name in outputs} <= set(life.listed(local_cloud.endpoint, "keys")["keys"])

    told_of = life.awsrun("status", "first", "--json").stdout + applied.stdout + applied.stderr
    items = local_cloud.client("dynamodb").scan(TableName="awsrun-first")["Items"]
    private = files["key"].read_text().splitlines()[2]  # a line of the key itself
    assert private not in told_of and private not in json.dumps(items, default=str)
    files["key"].rename(life.folder / "away")
    assert "note: key: its private key is not on this machine" in life.awsrun("plan", "spec.yaml").stdout
    (life.folder / "away").rename(files["key"])

    assert "on this machine" not in life.awsrun("teardown", "first", "--yes").stderr
    assert pairs(local_cloud, "first") == []
    assert not files["key"].exists() and os.listdir(life.folder / "keys") == []
    assert files["mine"].exists() and Path(f"{files['mine']}.pub").exists()


def test_another_machine_says_who_has_the_private_key(life: Shell, cloud: Cloud, local_cloud: LocalCloud) -> None:
    spec = api.load(life.folder / life.write(LAB))
    api.apply(spec, cloud)
    keys, host = life.folder / "keys", os.uname().nodename
    there = f"~/{life.folder.name}/keys/lab"
    keys.rename(life.folder / "elsewhere")
    missing = f"its private key is not on this machine: {host} has it, in {there}"
    found = api.plan(spec, cloud)
    assert (found.changes, found.notes) == ((), {"here": missing}), "another machine's key is no reason for a new one"
    assert [one.seen.why for one in api.status("lab", cloud)[0].resources] == [missing]

    (life.folder / "elsewhere").rename(keys)  # and now with another key of the same name
    purpose = (keys / "lab.pub").read_text().split()[2]
    keygen(keys / "lab", "-t", "ed25519", "-C", purpose)
    found = api.plan(spec, cloud)
    assert found.changes == () and "is another one" in found.notes["here"]

    keys.rename(life.folder / "elsewhere")
    assert f"its private key is not on this machine: delete {there} on {host}" in torn_down("lab", cloud)
    assert pairs(local_cloud, "lab") == []


def test_another_key_of_ones_own_is_another_pair(life: Shell, cloud: Cloud, local_cloud: LocalCloud) -> None:
    spec = api.load(life.folder / life.write(OWN))
    api.apply(spec, cloud)
    before = api.outputs("own", cloud)["mine"]
    keygen(life.folder / "id_ed25519", "-t", "rsa", "-b", "2048")
    spec = api.load(life.folder / "spec.yaml")
    (change,) = api.drift(spec, cloud).changes
    assert (change.action, [one.field for one in change.fields]) == ("replace", ["fingerprint"])
    api.apply(spec, cloud)
    after = api.outputs("own", cloud)["mine"]
    assert after["fingerprint"] != before["fingerprint"]
    assert [one["KeyName"] for one in pairs(local_cloud, "own")] == [after["name"]]
    torn_down("own", cloud)
    assert (life.folder / "id_ed25519").exists()
