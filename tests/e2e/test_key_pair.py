"""A key pair in a stack's life: the private half stays on this machine, goes with the stack, and is never anybody's
own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from stack_shell import Shell

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen")

SPEC = """\
stack: first
resources:
  key: {kind: key_pair}
  here: {kind: key_pair, path: keys/lab}
  mine: {kind: key_pair, public_key: id_ed25519.pub}
"""


@pytest.fixture
def life(fresh_cloud: Any, shell: Shell) -> Shell:
    """A shell whose user has a key already."""
    made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "me", "-f", str(shell.folder / "id_ed25519")]
    subprocess.run(made, check=True, stdin=subprocess.DEVNULL)
    return shell


def test_a_life(life: Shell, fresh_cloud: Any) -> None:
    life.write(SPEC)
    applied = life.awsrun("apply", "spec.yaml")
    outputs = life.json("outputs", "first")
    files = {name: Path(outputs[name]["path"].replace("~", life.env["HOME"])) for name in outputs}
    assert files["here"] == life.folder / "keys" / "lab"
    assert files["key"].is_relative_to(life.env["AWSRUN_HOME"])
    assert files["mine"] == life.folder / "id_ed25519"
    assert {files[name].stat().st_mode & 0o777 for name in ("key", "here")} == {0o400}

    ec2 = fresh_cloud.client("ec2")
    for name, file in files.items():
        told = subprocess.run(["ssh-keygen", "-l", "-f", str(file)], capture_output=True, text=True, check=True)
        assert told.stdout.split()[1] == outputs[name]["fingerprint"]
        (pair,) = ec2.describe_key_pairs(KeyPairIds=[outputs[name]["id"]], IncludePublicKey=True)["KeyPairs"]
        assert pair["PublicKey"].split()[1] == Path(f"{file}.pub").read_text().split()[1]

    assert "no change" in life.awsrun("apply", "spec.yaml").stdout
    told = life.awsrun("status", "first", "--json").stdout + applied.stdout + applied.stderr
    items = fresh_cloud.client("dynamodb").scan(TableName="awsrun-first")["Items"]
    private = files["key"].read_text().splitlines()[2]  # a line of the key itself
    assert private not in told and private not in json.dumps(items, default=str)

    said = life.awsrun("teardown", "first", "--yes").stderr
    assert "on this machine" not in said
    assert life.listed(fresh_cloud.endpoint, "keys") == {}
    assert not files["key"].exists() and not files["here"].exists()
    assert files["mine"].exists() and Path(f"{files['mine']}.pub").exists()
    assert os.listdir(life.folder / "keys") == []


def test_on_another_machine_users_are_told_who_has_the_private_key(life: Shell, fresh_cloud: Any) -> None:
    life.write("stack: first\nresources:\n  here: {kind: key_pair, path: keys/lab}\n")
    life.awsrun("apply", "spec.yaml")
    (life.folder / "keys").rename(life.folder / "elsewhere")
    host = os.uname().nodename
    missing = f"its private key is not on this machine: {host} has it, in ~/work/keys/lab"
    assert f"note: here: {missing}" in life.awsrun("plan", "spec.yaml").stdout
    assert missing in life.awsrun("status", "first").stdout
    assert life.json("plan", "spec.yaml")["notes"] == {"here": missing}

    (life.folder / "elsewhere").rename(life.folder / "keys")  # and now with another key of the same name
    before = (life.folder / "keys" / "lab.pub").read_text()
    for file in ("lab", "lab.pub"):
        (life.folder / "keys" / file).unlink()
    comment = before.split()[2]
    made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(life.folder / "keys" / "lab")]
    subprocess.run(made, check=True, stdin=subprocess.DEVNULL)
    assert "is another one" in life.awsrun("plan", "spec.yaml").stdout

    (life.folder / "keys").rename(life.folder / "elsewhere")
    said = life.awsrun("teardown", "first", "--yes").stderr
    assert f"delete ~/work/keys/lab on {host}" in said
    assert life.listed(fresh_cloud.endpoint, "keys") == {}


def test_another_key_of_ones_own_is_another_pair(life: Shell, fresh_cloud: Any) -> None:
    life.write("stack: first\nresources:\n  mine: {kind: key_pair, public_key: id_ed25519.pub}\n")
    life.awsrun("apply", "spec.yaml")
    before = life.json("outputs", "first")["mine"]
    for file in ("id_ed25519", "id_ed25519.pub"):
        (life.folder / file).unlink()
    made = ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(life.folder / "id_ed25519")]
    subprocess.run(made, check=True, stdin=subprocess.DEVNULL)
    (change,) = life.json("drift", "spec.yaml", code=2)["changes"]
    assert (change["action"], [one["field"] for one in change["fields"]]) == ("replace", ["fingerprint"])
    life.awsrun("apply", "spec.yaml", "--yes")
    after = life.json("outputs", "first")["mine"]
    assert after["fingerprint"] != before["fingerprint"] and after["name"] != before["name"]
    assert life.listed(fresh_cloud.endpoint, "keys") == {"keys": [after["name"]]}
