"""What the stack tests share: the command as a process, the ``aws`` command as a second opinion, and specs."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
# COLUMNS comes with readline, which some of pytest's parts import: it would make tables as narrow as no terminal.
LEFT_OUT = ("AWS_", "AWSRUN_", "COLUMNS", "LINES")
WITHOUT_AWS = {key: value for key, value in os.environ.items() if not key.startswith(LEFT_OUT)}

# Listings that the aws command makes by itself, each of a kind that a stack may leave behind.
LISTINGS = {
    "vpcs": "ec2 describe-vpcs --filters Name=is-default,Values=false --query Vpcs[].VpcId",
    "gateways": "ec2 describe-internet-gateways --query InternetGateways[].InternetGatewayId",
    "endpoints": "ec2 describe-vpc-endpoints --query VpcEndpoints[?State!='deleted'].VpcEndpointId",
    "nats": "ec2 describe-nat-gateways --filter Name=state,Values=pending,available,failed,deleting "
    "--query NatGateways[].NatGatewayId",
    "addresses": "ec2 describe-addresses --query Addresses[].AllocationId",
    "templates": "ec2 describe-launch-templates --query LaunchTemplates[].LaunchTemplateName",
    "keys": "ec2 describe-key-pairs --query KeyPairs[].KeyName",
    "instances": "ec2 describe-instances --filters Name=instance-state-name,Values=pending,running,stopping,stopped "
    "--query Reservations[].Instances[].InstanceId",
    "volumes": "ec2 describe-volumes --query Volumes[].VolumeId",
    "interfaces": "ec2 describe-network-interfaces --query NetworkInterfaces[].NetworkInterfaceId",
    "subnets": "ec2 describe-subnets --filters Name=default-for-az,Values=false --query Subnets[].SubnetId",
    "groups": "ec2 describe-security-groups --query SecurityGroups[?GroupName!='default'].GroupId",
    "roles": "iam list-roles --path-prefix /awsrun/ --query Roles[].RoleName",
    "profiles": "iam list-instance-profiles --query InstanceProfiles[].InstanceProfileName",
    "buckets": "s3api list-buckets --query Buckets[].Name",
    "tables": "dynamodb list-tables --query TableNames",
    "repositories": "ecr describe-repositories --query repositories[].repositoryName",
    "logs": "logs describe-log-groups --query logGroups[].logGroupName",
    "environments": "batch describe-compute-environments --query computeEnvironments[].computeEnvironmentName",
    "queues": "batch describe-job-queues --query jobQueues[].jobQueueName",
    "definitions": "batch describe-job-definitions --status ACTIVE --query jobDefinitions[].jobDefinitionName",
    "clusters": "ecs describe-clusters --clusters qa-tasks --query clusters[?status!='INACTIVE'].clusterName",
    "revisions": "ecs list-task-definitions --query taskDefinitionArns",
    "functions": "lambda list-functions --query Functions[].FunctionName",
    "messages": "sqs list-queues --query QueueUrls",
    "parameters": "ssm describe-parameters --query Parameters[].Name",
    "deregistered": "ecs list-task-definitions --status INACTIVE --query taskDefinitionArns",
}


@dataclass
class Shell:
    """Runs commands as a user does, in a folder of its own.

    Attributes:
        env: the whole environment of what is run.
    """

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def awsrun(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """``awsrun ARGUMENTS`` without a terminal; fails unless it exits with ``code``."""
        done = subprocess.run(
            [str(BIN / "awsrun"), *arguments],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, f"awsrun {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def at_terminal(self, typed: bytes, *arguments: str) -> tuple[int, str]:
        """``awsrun ARGUMENTS`` at a terminal where ``typed`` answers the first question; exit code, what is shown."""
        ours, theirs = pty.openpty()
        command = [str(BIN / "awsrun"), *arguments]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.env,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C is a signal
        )
        os.close(theirs)
        shown, end = b"", time.monotonic() + 120
        with contextlib.suppress(OSError):  # Linux's way to say that the other side has gone
            while True:
                readable, _, _ = select.select([ours], [], [], 2)
                if readable:
                    if not (chunk := os.read(ours, 4096)):
                        break
                    shown += chunk
                assert time.monotonic() < end, f"it neither asks nor ends: {shown.decode()}"
                # A key is not heard while Python's line editor sets the terminal up: who typed too soon types again.
                asked = shown.removesuffix(b"^C").endswith(b"[y/N]: ")
                if asked and (b"[y/N]:" in chunk or not readable):
                    os.write(ours, typed)
        os.close(ours)
        return process.wait(timeout=60), shown.decode()

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The one document that ``awsrun ARGUMENTS --json`` prints on stdout."""
        done = self.awsrun(*arguments, "--json", code=code)
        assert done.stdout, f"no document: {done.stderr}"
        return json.loads(done.stdout)

    def write(self, text: str, name: str = "spec.yaml") -> str:
        """A spec in the folder; its name."""
        (self.folder / name).write_text(text)
        return name

    def listed(self, endpoint: str, *only: str) -> dict[str, list[str]]:
        """What the ``aws`` command lists of anything that a stack makes, by kind; empty lists are left out."""
        env = self.env | {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1"}
        env |= {"AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": "", "AWS_DEFAULT_REGION": "us-east-1"}
        wanted = {name: command for name, command in LISTINGS.items() if not only or name in only}
        calls = (["--endpoint-url", endpoint, "--output", "json", *command.split()] for command in wanted.values())
        typed = "".join(json.dumps(call) + "\n" for call in calls)
        command = [sys.executable, str(Path(__file__).with_name("aws_commands.py"))]
        said = subprocess.run(command, env=env, input=typed, capture_output=True, text=True, timeout=120, check=True)
        found = {}
        for name, line in zip(wanted, said.stdout.splitlines(), strict=True):
            code, out, err = json.loads(line)
            assert code == 0, f"{name}: {err}"
            found[name] = json.loads(out) or []
        return {name: listed for name, listed in found.items() if listed}
