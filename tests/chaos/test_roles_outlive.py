"""The roles of a compute environment are never touched before it is gone: else it is stuck in DELETING for good.

Seen by an independent observer on the wire, who asks the server itself at every call that takes something from such a
role.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from watching_proxy import WatchingProxy

import awsrun
from awsrun.aws.clients import Cloud
from awsrun.aws.context import LOCAL
from awsrun.reconcile.apply import Applied

TAKING = frozenset(
    {
        "DeleteInstanceProfile",
        "DeleteRole",
        "DeleteRolePolicy",
        "DetachRolePolicy",
        "RemoveRoleFromInstanceProfile",
        "UpdateAssumeRolePolicy",
    }
)
NETWORK = "  network: {kind: vpc, cidr: 10.10.0.0/23, max_azs: 1}\n"
SERVICE = "  service: {kind: iam.role, service: batch, managed_policies: [service-role/AWSBatchServiceRole]}\n"
QUEUE = "  queue: {kind: batch.job_queue, compute_environments: [compute]}\n"
COMPUTE = "  compute: {kind: batch.compute_environment, vpc: network, instance_types: [c5.large], max_vcpus: 8%s}\n"
OWNED = NETWORK + SERVICE + QUEUE + COMPUTE % ", service_role: service"
LINKED = NETWORK + QUEUE + COMPUTE % ""


@dataclass
class Observer:
    """Knows which roles and profiles each environment has ever used.

    Attributes:
        taken: calls that took something from a role or a profile of an environment.
        early: those of them that came while the environment was still there.
    """

    batch: Any
    iam: Any
    users: dict[str, set[str]] = field(default_factory=dict)  # role or profile -> environments
    taken: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)

    def learn(self) -> None:
        """Note what the environments of the stack that are there use; other tests share the cloud."""
        for one in self.batch.describe_compute_environments()["computeEnvironments"]:
            if not one["computeEnvironmentName"].startswith("roles-"):
                continue
            profile = one["computeResources"]["instanceRole"].rpartition("/")[2]
            found = self.iam.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]
            roles = [role["RoleName"] for role in found["Roles"]]
            for name in (profile, one["serviceRole"].rpartition("/")[2], *roles):
                self.users.setdefault(name, set()).add(one["computeEnvironmentName"])

    def watch(self, operation: str, form: Mapping[str, str]) -> None:
        if operation not in TAKING:
            return
        named = {form.get("RoleName", ""), form.get("InstanceProfileName", "")}
        users = {user for name in named for user in self.users.get(name, ())}
        if users:
            said = f"{operation} {sorted(named - {''})}"
            self.taken.append(said)
            if there := self.batch.describe_compute_environments(computeEnvironments=sorted(users)):
                left = [one["computeEnvironmentName"] for one in there["computeEnvironments"]]
                self.early += [f"{said} while {left} is there"] if left else []


@pytest.fixture
def observer(strict_cloud: Any) -> Observer:
    return Observer(strict_cloud.client("batch"), strict_cloud.client("iam"))


@pytest.fixture
def cloud(strict_cloud: Any, observer: Observer) -> Iterator[Cloud]:
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=LOCAL.region)
    with WatchingProxy(strict_cloud.endpoint, observer.watch) as proxy:
        yield Cloud(session, LOCAL, proxy.url)


def apply(cloud: Cloud, folder: Path, resources: str) -> Applied:
    path = folder / "spec.yaml"
    path.write_text(f"stack: roles\nresources:\n{resources}")
    applied = awsrun.apply(awsrun.load(path), cloud)
    assert not applied.failed, applied
    return applied


def test_teardown(cloud: Cloud, observer: Observer, tmp_path: Path) -> None:
    apply(cloud, tmp_path, OWNED)  # it has a service role and an instance role
    observer.learn()
    gone = awsrun.teardown("roles", cloud)
    assert not gone.left and not observer.early
    assert {call.partition(" ")[0] for call in observer.taken} >= {"DeleteRole", "RemoveRoleFromInstanceProfile"}


def test_replacement_and_removal(cloud: Cloud, observer: Observer, tmp_path: Path) -> None:
    apply(cloud, tmp_path, OWNED)
    observer.learn()
    before = set(observer.users)
    apply(cloud, tmp_path, LINKED)  # another environment takes its place, and its service role goes
    observer.learn()
    assert any("-service-" in call for call in observer.taken), "the service role went"
    assert not observer.early
    taken = len(observer.taken)
    apply(cloud, tmp_path, NETWORK)  # the environment goes, and its instance role with it
    assert len(observer.taken) > taken and set(observer.users) >= before
    assert not observer.early
    assert not awsrun.teardown("roles", cloud).left
