"""``awsrun ssh`` with a key pair of a stack, against a real sshd that stands for the instance."""

from __future__ import annotations

import http.server
import shlex
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ssh_bench import SSHD, Server, answers, free_port, sshd
from stack_shell import BIN, WITHOUT_AWS, Shell

from tests.conftest import LocalCloud

pytestmark = pytest.mark.skipif(not (SSHD.exists() and shutil.which("ssh")), reason="no OpenSSH")

SPEC = "stack: first\nresources:\n  key: {kind: key_pair}\n"


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell whose stack has a key; the cloud stops with the module."""
    folder = tmp_path_factory.mktemp("ssh")
    cloud = LocalCloud.at(folder / "my home")
    cloud.start()
    shell = Shell(folder, WITHOUT_AWS | {"AWSRUN_HOME": str(cloud.home), "HOME": str(folder)})
    shell.write(SPEC)
    shell.awsrun("apply", "spec.yaml")
    yield shell
    cloud.stop()


@pytest.fixture(scope="module")
def ec2(shell: Shell) -> Any:
    cloud = LocalCloud.at(Path(shell.env["AWSRUN_HOME"]))
    cloud.endpoint = str(cloud.status()["endpoint"])
    return cloud.client("ec2")


def instance(ec2: Any, stack: str, name: str, key: str = "first-key") -> str:
    tags = {"awsrun:stack": stack, "awsrun:name": name, "awsrun:kind": "ec2.instance"}
    listed = [{"Key": tag, "Value": value} for tag, value in tags.items()]
    (made,) = ec2.run_instances(
        ImageId=ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"],
        InstanceType="t3.micro",
        KeyName=key,
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": listed}],
    )["Instances"]
    return str(made["InstanceId"])


@pytest.fixture(scope="module")
def web(ec2: Any) -> str:
    return instance(ec2, "first", "web")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, ec2: Any, shell: Shell) -> Iterator[Server]:
    """What the instance would be: it takes the public key that EC2 has."""
    (pair,) = ec2.describe_key_pairs(KeyNames=["first-key"], IncludePublicKey=True)["KeyPairs"]
    with sshd(tmp_path_factory.mktemp("server"), pair["PublicKey"]) as running:
        yield running


@pytest.fixture
def inside(shell: Shell, server: Server, web: str) -> Shell:
    """A shell that knows the machine that stands for the instance."""
    return replace(shell, env=shell.env | server.env)


def state(ec2: Any, id: str) -> str:
    (found,) = ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"]
    return str(found["State"]["Name"])


def test_a_command_runs_there_and_its_exit_code_is_ours(inside: Shell, server: Server, web: str) -> None:
    done = inside.awsrun("ssh", "web", "--", "echo out; echo err >&2; exit 7", code=7)
    assert done.stdout == "out\n" and done.stderr.endswith("err\n")
    known = Path(inside.env["AWSRUN_HOME"]) / "data" / "known_hosts" / web
    told = subprocess.run(["ssh-keygen", "-F", web, "-f", str(known)], capture_output=True)
    assert told.returncode == 0, "the host key is not remembered by the instance's id"

    printed = inside.awsrun("ssh", "first/web", "--print", "--", "hostname").stdout
    assert "IdentitiesOnly=yes" in printed
    again = subprocess.run(["sh", "-c", printed], env=inside.env, capture_output=True, text=True, timeout=60)
    plain = subprocess.run(["hostname"], capture_output=True, text=True)
    assert again.stdout == plain.stdout, again.stderr


def test_another_host_under_the_same_instance_is_not_trusted(inside: Shell, ec2: Any, web: str, tmp_path: Path) -> None:
    (pair,) = ec2.describe_key_pairs(KeyNames=["first-key"], IncludePublicKey=True)["KeyPairs"]
    inside.awsrun("ssh", "web", "--", "true")
    with sshd(tmp_path / "other", pair["PublicKey"]) as other:
        command = ["ssh", "web", "--port", str(other.port), "--", "true"]
        assert "HOST IDENTIFICATION HAS CHANGED" in inside.awsrun(*command, code=255).stderr
        new = instance(ec2, "first", "newer")
        inside.awsrun("ssh", "newer", "--port", str(other.port), "--", "true")
        ec2.terminate_instances(InstanceIds=[new])


def test_ports_are_forwarded(inside: Shell, tmp_path: Path) -> None:
    (tmp_path / "page").write_text("through the tunnel")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as page:
        threading.Thread(target=page.serve_forever, daemon=True).start()
        ours, more = free_port(), free_port()
        forwards = [part for port in (ours, more) for part in ("-L", f"{port}:127.0.0.1:{page.server_port}")]
        command = [str(BIN / "awsrun"), "ssh", "web", "-N", *forwards]
        with subprocess.Popen(command, env=inside.env, stderr=subprocess.PIPE, text=True) as tunnel:
            try:
                end = time.monotonic() + 60
                while not (answers(ours) and answers(more)):
                    assert tunnel.poll() is None and time.monotonic() < end
                    time.sleep(0.05)
                for port in (ours, more):
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/page", timeout=20) as answer:
                        assert answer.read() == b"through the tunnel"
            finally:
                tunnel.terminate()
        page.shutdown()


def test_a_stopped_server_is_started_when_somebody_says_so(inside: Shell, ec2: Any, web: str) -> None:
    ec2.stop_instances(InstanceIds=[web])
    refused = inside.awsrun("ssh", "web", "--", "true", code=1).stderr
    assert "web is stopped; on AWS it costs $0.015/h" in refused and "add --yes" in refused
    assert state(ec2, web) == "stopped"
    assert inside.at_terminal(b"n\n", "ssh", "web", "--", "true")[0] == 1
    assert state(ec2, web) == "stopped"
    inside.awsrun("ssh", "web", "--yes", "--", "true")
    assert state(ec2, web) == "running"


def test_who_cannot_get_in_is_told_why_and_what_to_type(shell: Shell, inside: Shell, ec2: Any, web: str) -> None:
    said = shell.awsrun("ssh", "web", code=1).stderr
    assert "nothing runs behind web" in said and "--host HOST" in said
    said = inside.awsrun("ssh", "wep", code=1).stderr
    assert "no server is called 'wep'" in said and "did you mean 'web'?" in said
    twin = instance(ec2, "second", "web")
    assert "first/web, second/web" in inside.awsrun("ssh", "web", code=1).stderr
    ec2.terminate_instances(InstanceIds=[twin])
    said = inside.awsrun("ssh", "web", "--port", str(free_port()), "--wait", "0", code=1).stderr
    assert "web does not answer at 127.0.0.1 port" in said and "get-console-output" in said
    keys = Path(inside.env["AWSRUN_HOME"]) / "data" / "keys"
    keys.rename(keys.with_name("gone"))
    said = inside.awsrun("ssh", "web", code=1).stderr
    keys.with_name("gone").rename(keys)
    assert "this machine does not have the key" in said and "-i FILE" in said


def test_completion_knows_the_servers(inside: Shell) -> None:
    env = inside.env | {"_AWSRUN_COMPLETE": "bash_complete", "COMP_WORDS": shlex.join(["awsrun", "ssh", "w"])}
    done = subprocess.run([str(BIN / "awsrun")], env=env | {"COMP_CWORD": "2"}, capture_output=True, text=True)
    assert done.stdout.split() == ["plain,web"], done.stderr
