"""``awsrun ssh`` and ``awsrun jupyter`` with the server of specs/ec2.yaml: a real sshd stands for it, before a real
Jupyter."""

from __future__ import annotations

import http.server
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from ssh_bench import SSHD, Server, answers, free_port, sshd
from stack_shell import BIN, WITHOUT_AWS, Shell

from awsrun.aws.clients import connect
from awsrun.aws.errors import AwsrunError
from awsrun.cli.machines import Login, reach
from tests.conftest import LocalCloud

pytestmark = pytest.mark.skipif(not (SSHD.exists() and shutil.which("ssh")), reason="no OpenSSH")

SPEC = (Path(__file__).parents[2] / "specs" / "ec2.yaml").read_text()


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
def web(shell: Shell) -> str:
    return str(shell.json("outputs", "first")["web"]["id"])


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
    assert "is stopped; on AWS it costs $0.015/h" in refused and "add --yes" in refused
    assert state(ec2, web) == "stopped"
    assert inside.at_terminal(b"n\n", "ssh", "web", "--", "true")[0] == 1
    assert state(ec2, web) == "stopped"
    inside.awsrun("ssh", "web", "--yes", "--", "true")
    assert state(ec2, web) == "running"


@pytest.fixture
def refused(shell: Shell, server: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What a user reads who cannot get in, by the name of the server and what else differs."""
    for variable in ("AWSRUN_HOME", "HOME"):
        monkeypatch.setenv(variable, shell.env[variable])

    def tried(name: str, host: str | None = "127.0.0.1", port: int = server.port) -> str:
        with pytest.raises(AwsrunError) as caught:
            reach(connect("local"), name, Login(host, port, None, None, yes=False, wait=0))
        return str(caught.value)

    return tried


def test_who_cannot_get_in_is_told_why_and_what_to_type(
    refused: Callable[..., str], shell: Shell, ec2: Any, web: str
) -> None:
    said = refused("web", host=None)
    assert "nothing runs behind web" in said and "--host HOST" in said
    said = refused("wep")
    assert "no server is called 'wep'" in said and "did you mean 'web'?" in said
    twin = instance(ec2, "second", "web")
    assert "first/web, second/web" in refused("web")
    ec2.terminate_instances(InstanceIds=[twin])
    said = refused("web", port=free_port())
    assert "web does not answer at 127.0.0.1 port" in said and "get-console-output" in said
    keys = Path(shell.env["AWSRUN_HOME"]) / "data" / "keys"
    keys.rename(keys.with_name("gone"))
    said = refused("first/web")
    keys.with_name("gone").rename(keys)
    assert "this machine does not have the key" in said and "-i FILE" in said


def test_completion_knows_the_servers(inside: Shell) -> None:
    env = inside.env | {"_AWSRUN_COMPLETE": "bash_complete", "COMP_WORDS": shlex.join(["awsrun", "ssh", "w"])}
    done = subprocess.run([str(BIN / "awsrun")], env=env | {"COMP_CWORD": "2"}, capture_output=True, text=True)
    assert done.stdout.split() == ["plain,web"], done.stderr


@contextmanager
def tunnelled(shell: Shell, name: str, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """``awsrun jupyter NAME``: the URL that it prints, and the process."""
    command = [str(BIN / "awsrun"), "jupyter", name, *options]
    with subprocess.Popen(command, env=shell.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None and running.stderr is not None
        try:
            url = running.stdout.readline().strip()
            assert url, running.stderr.read()
            yield url, running
        finally:
            running.kill()


def status(url: str, token: str) -> Any:
    """What Jupyter's own API says of it: its start time tells one server from another."""
    parts = urlparse(url)
    asked = urllib.request.Request(f"http://{parts.netloc}/api/status", headers={"Authorization": f"token {token}"})
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return json.load(answer)


def token_of(url: str) -> str:
    return parse_qs(urlparse(url).query)["token"][0]


needs_jupyter = pytest.mark.skipif(find_spec("jupyter_server") is None, reason="no Jupyter")


@needs_jupyter
def test_a_server_outlives_its_tunnel_and_is_found_again(inside: Shell, server: Server) -> None:
    port = free_port()
    with tunnelled(inside, "web", "--port", str(port)) as (url, running):
        assert urlparse(url).netloc == f"127.0.0.1:{port}"
        token = token_of(url)
        assert len(token) >= 32
        first = status(url, token)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            status(url, "wrong")
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=60)[1]
        assert running.returncode == 130 and "--stop" in said, said
    listing = list((server.home / ".local/share/awsrun/jupyter/runtime").glob("jpserver-*.json"))
    assert [one.stat().st_mode & 0o777 for one in listing] == [0o600]
    args = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert token not in args, "the token stands in a command line"

    with tunnelled(inside, "web", "--port", str(port)) as (url, running):  # and now the connection is lost
        assert token_of(url) == token and status(url, token)["started"] == first["started"]
        children = ["ps", "-o", "pid=", "--ppid", str(running.pid)]
        (tunnel,) = subprocess.run(children, capture_output=True, text=True, check=True).stdout.split()
        os.kill(int(tunnel), signal.SIGKILL)
        said = running.communicate(timeout=60)[1]
        assert running.returncode == 1 and "the connection to web is lost" in said
        assert "runs on web already" in said

    assert "has ended" in inside.awsrun("jupyter", "web", "--stop").stderr
    assert "no Jupyter of awsrun runs" in inside.awsrun("jupyter", "web", "--stop").stderr


@needs_jupyter
def test_where_there_is_none_it_is_installed_after_saying_so(inside: Shell, ec2: Any, tmp_path: Path) -> None:
    """What pip brings is stood in for: a server that would be downloaded."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "bash", "ps", "id", "seq", "sleep", "mkdir", "rm", "cat", "tail", "setsid", "nohup"):
        (tools / name).symlink_to(str(shutil.which(name)))
    jupyter = f"#!{sys.executable}\nfrom jupyter_server.serverapp import main\nmain()\n"
    (tools / "python3").write_text(INSTALLER.format(jupyter=jupyter))
    (tools / "python3").chmod(0o755)
    (pair,) = ec2.describe_key_pairs(KeyNames=["first-key"], IncludePublicKey=True)["KeyPairs"]
    new = instance(ec2, "first", "bare")
    with sshd(tmp_path / "bare", pair["PublicKey"], path=str(tools)) as bare:
        shell = replace(inside, env=inside.env | bare.env)
        with tunnelled(shell, "bare", "--port", str(free_port())) as (url, running):
            assert status(url, token_of(url))["started"]
            running.send_signal(signal.SIGTERM)
            assert "installing JupyterLab for" in running.communicate(timeout=60)[1]
        assert "has ended" in shell.awsrun("jupyter", "bare", "--stop").stderr
    ec2.terminate_instances(InstanceIds=[new])


# `python3 -m venv DIR`, which makes a python that "installs" a server into the same folder.
INSTALLER = """\
#!/bin/sh
for folder; do :; done
mkdir -p "$folder/bin"
cat > "$folder/bin/python" <<'END'
#!/bin/sh
bin=${{0%/*}}
cat > "$bin/jupyter-server" <<'PROGRAM'
{jupyter}PROGRAM
/bin/chmod +x "$bin/jupyter-server"
END
/bin/chmod +x "$folder/bin/python"
"""
