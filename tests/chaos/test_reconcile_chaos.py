"""SIGKILL at every mutating call of apply and teardown, before it arrives and after it was done.

The same command run again must end where an undisturbed one ends: nothing doubled, nothing orphaned.  What is there is
read from the server itself with plain boto3, never with awsrun's code.  ``AWSRUN_CHAOS=all`` tries every call; without
it a sample spread over all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from killing_proxy import KillingProxy, Moment, Trap

ROOT = Path(__file__).parents[2]
SPEC = os.environ.get("AWSRUN_CHAOS_SPEC", str(ROOT / "specs" / "batch.yaml"))
EVERY = os.environ.get("AWSRUN_CHAOS") == "all"
SERVICES = ("batch", "dynamodb", "ec2", "ecr", "iam", "logs", "s3")
SAMPLE = 6  # cycles of one killed apply and one killed teardown each


@dataclass
class Commands:
    """The process that forks commands, and the proxy that they talk through."""

    process: subprocess.Popen[str]
    proxy: KillingProxy

    def run(self, command: str, at: int = 0, moment: Moment = "before") -> tuple[int, str, Trap]:
        """Run a command, killed at its ``at``-th mutating call: (exit status, what it said, the trap)."""
        pid = int(self._ask(command)["pid"])
        trap = self.proxy.trap = Trap(pid, at, moment)
        end = self._ask("")
        return end["status"], end["said"], trap

    def clean(self, command: str) -> str:
        status, said, _ = self.run(command)
        assert status == 0, f"{command} failed:\n{said}"
        return said

    def _ask(self, line: str) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


@pytest.fixture
def commands(fresh_cloud: Any) -> Iterator[Commands]:
    with KillingProxy(fresh_cloud.endpoint) as proxy:
        script = Path(__file__).with_name("commands.py")
        process = subprocess.Popen(
            [sys.executable, str(script), proxy.url, SPEC],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=fresh_cloud.env | {"PYTHONPATH": str(ROOT)},
        )
        yield Commands(process, proxy)
        process.kill()
        process.wait()


def inventory(clients: dict[str, Any]) -> dict[str, list[str]]:
    """Everything on the server that somebody made, ids left out, each with what matters of it."""
    ec2, iam, batch, s3 = (clients[service] for service in ("ec2", "iam", "batch", "s3"))
    vpcs = [one for one in ec2.describe_vpcs()["Vpcs"] if not one["IsDefault"]]
    ours = {one["VpcId"] for one in vpcs}
    groups = [one for one in ec2.describe_security_groups()["SecurityGroups"] if one["VpcId"] in ours]
    tables = [one for one in ec2.describe_route_tables()["RouteTables"] if one["VpcId"] in ours]
    queues = batch.describe_job_queues()["jobQueues"]
    definitions = batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"]
    roles = [one for one in iam.list_roles()["Roles"] if not one["Path"].startswith("/aws-service-role/")]
    found = {
        "vpc": [one["CidrBlock"] for one in vpcs],
        "subnet": [one["CidrBlock"] for one in ec2.describe_subnets()["Subnets"] if one["VpcId"] in ours],
        "gateway": [str(len(one["Attachments"])) for one in ec2.describe_internet_gateways()["InternetGateways"]],
        "routes": [f"{len(one['Routes'])} {len(one['Associations'])}" for one in tables],
        "group": [f"{one['GroupName'].rpartition('-')[0]} {len(one['IpPermissions'])}" for one in groups],
        "endpoint": [
            one["ServiceName"] for one in ec2.describe_vpc_endpoints()["VpcEndpoints"] if one["State"] != "deleted"
        ],
        "nat": [
            f"{one['State']} {len(one['NatGatewayAddresses'])}"
            for one in ec2.describe_nat_gateways()["NatGateways"]
            if one["State"] != "deleted"
        ],
        "address": [f"in use: {'AssociationId' in one}" for one in ec2.describe_addresses()["Addresses"]],
        "interface": [
            one["Description"].rpartition(" ")[0] for one in ec2.describe_network_interfaces()["NetworkInterfaces"]
        ],
        "role": [
            f"{one['RoleName']} {iam.list_role_policies(RoleName=one['RoleName'])['PolicyNames']} "
            f"{len(iam.list_attached_role_policies(RoleName=one['RoleName'])['AttachedPolicies'])}"
            for one in roles
        ],
        "profile": [
            f"{one['InstanceProfileName']} {len(one['Roles'])}"
            for one in iam.list_instance_profiles()["InstanceProfiles"]
        ],
        "bucket": [_bucket(s3, one["Name"]) for one in s3.list_buckets()["Buckets"]],
        "table": clients["dynamodb"].list_tables()["TableNames"],
        "repository": [one["repositoryName"] for one in clients["ecr"].describe_repositories()["repositories"]],
        "logs": [one["logGroupName"] for one in clients["logs"].describe_log_groups()["logGroups"]],
        "environment": [
            one["status"] + one["state"] for one in batch.describe_compute_environments()["computeEnvironments"]
        ],
        "queue": [f"{one['jobQueueName']} {one['status']} {len(one['computeEnvironmentOrder'])}" for one in queues],
        "definition": [one["jobDefinitionName"] for one in definitions],
    }
    return {kind: sorted(listed) for kind, listed in found.items()}


def _bucket(s3: Any, name: str) -> str:
    tags = {one["Key"]: one["Value"] for one in s3.get_bucket_tagging(Bucket=name)["TagSet"]}
    return f"{name} {tags.get('awsrun:stack')} {tags.get('awsrun:name')}"


def remembered(clients: dict[str, Any]) -> int:
    """Intents in the stack's table: one for each resource, or something was forgotten or doubled."""
    (table,) = clients["dynamodb"].list_tables()["TableNames"][:1]
    items = clients["dynamodb"].scan(TableName=table)["Items"]
    return sum(item["pk"]["S"].startswith("INTENT#") for item in items)


def points(count: int) -> list[tuple[int, Moment]]:
    """The calls to kill at: all of them, both ways, or a spread of them, both ways in turn."""
    if EVERY:
        return [(at, moment) for at in range(1, count + 1) for moment in ("before", "after")]
    chosen = [1 + round(index * (count - 1) / (SAMPLE - 1)) for index in range(SAMPLE)]
    return [(at, "after" if index % 2 else "before") for index, at in enumerate(chosen)]


def test_killed_anywhere_and_run_again_it_ends_the_same(commands: Commands, fresh_cloud: Any) -> None:
    clients = {service: fresh_cloud.client(service) for service in SERVICES}
    empty = inventory(clients)
    _, said, trap = commands.run("apply")
    assert '"failed": []' in said, said
    applied, known, makes = inventory(clients), remembered(clients), len(trap.seen)
    status, said, trap = commands.run("teardown")
    assert status == 0, said
    assert inventory(clients) == empty
    deletes = len(trap.seen)

    nowhere: tuple[int, Moment] = (0, "before")
    for first, second in zip_longest(points(makes), points(deletes), fillvalue=nowhere):
        at, moment = first
        status, said, trap = commands.run("apply", at, moment)
        where = f"apply killed {moment} call {at} ({trap.sprung})"
        assert status == (-9 if trap.sprung else 0), f"{where}: {said}"
        commands.clean("apply")
        assert inventory(clients) == applied, where
        assert remembered(clients) == known, where
        again = commands.run("apply")[2]
        assert again.seen == [], f"{where}: a third apply still writes"

        at, moment = second
        status, said, trap = commands.run("teardown", at, moment)
        where += f", teardown killed {moment} call {at} ({trap.sprung})"
        assert status == (-9 if trap.sprung else 0), f"{where}: {said}"
        commands.clean("teardown")
        assert inventory(clients) == empty, where
