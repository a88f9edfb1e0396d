"""The life of specs/ec2.yaml on a strict cloud, by somebody who has what ``awsrun policy`` prints and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stack_shell import Shell

from tests.recorded_cloud import RecordedCloud, User

SPEC = (Path(__file__).parents[2] / "specs" / "ec2.yaml").read_text()
IMAGE = "/mine/image"  # a parameter of our own, which can come to mean a newer image
WHOLE = SPEC.replace("instance_type: t3.micro", f"elastic_ip: fixed, role: may, ami: {IMAGE}, instance_type: t3.micro")
WHOLE += "  fixed: {kind: elastic_ip}\n  may: {kind: iam.role, service: ec2}\n"


@dataclass
class Site:
    """A strict cloud, its owner, and a user with the policy of the spec."""

    cloud: RecordedCloud
    user: User
    shell: Shell

    def server(self) -> Any:
        """The one server that is not terminated, as EC2 shows it to its owner."""
        states = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
        (found,) = self.cloud.client("ec2").describe_instances(Filters=states)["Reservations"]
        return found["Instances"][0]

    def point(self, version: str) -> str:
        """Let the parameter mean an image of Amazon Linux 2023 with this kernel; its id."""
        ssm = self.cloud.client("ssm")
        named = f"/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-{version}-x86_64"
        id = str(ssm.get_parameter(Name=named)["Parameter"]["Value"])
        ssm.put_parameter(Name=IMAGE, Value=id, Type="String", Overwrite=True)
        return id


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    cloud = RecordedCloud.make(tmp_path / "cloud", strict=True, time_scale=0.005)
    owner = Shell(tmp_path, cloud.env)
    owner.write(WHOLE)
    user = cloud.user("me", owner.json("policy", "spec.yaml")["documents"])
    yield Site(cloud, user, Shell(tmp_path, user.env))
    cloud.stop()


def test_the_whole_life_of_a_server(site: Site) -> None:
    shell, image = site.shell, site.point("6.1")
    shell.awsrun("apply", "spec.yaml", "--yes")
    made = site.server()
    out = shell.json("outputs", "first")["web"]
    assert (made["State"]["Name"], made["ImageId"], made["KeyName"]) == ("running", image, "first-key")
    assert (made["InstanceId"], made["PublicIpAddress"]) == (out["id"], out["public_ip"])
    assert out["public_ip"] == shell.json("outputs", "first")["fixed"]["address"]
    assert out["ssh"].startswith("ssh -i ") and out["ssh"].endswith(f" ec2-user@{out['public_ip']}")
    assert made["MetadataOptions"]["HttpTokens"] == "required"
    assert made["IamInstanceProfile"]["Arn"].endswith("/first-web-profile-us-east-1")
    volume = site.cloud.client("ec2").describe_volumes()["Volumes"][0]
    assert (volume["Encrypted"], volume["Size"], volume["VolumeType"]) == (True, 8, "gp3")
    group = site.cloud.client("ec2").describe_security_groups(GroupIds=[made["SecurityGroups"][0]["GroupId"]])
    (rule,) = group["SecurityGroups"][0]["IpPermissions"]
    assert (rule["FromPort"], rule["IpRanges"]) == (22, [{"CidrIp": "127.0.0.1/32"}])
    assert "no change" in shell.awsrun("apply", "spec.yaml").stdout

    _changes_in_place(site, made["InstanceId"])
    _stays_stopped(site, made["InstanceId"])
    _is_replaced_only_when_asked(site, made["InstanceId"])

    shell.awsrun("teardown", "first", "--yes")
    assert shell.listed(site.cloud.endpoint, "instances", "volumes", "interfaces", "addresses", "keys", "vpcs") == {}
    assert {one for one in site.user.denied() if not one[1].endswith(IMAGE)} == set(), "beside what is not the stack's"


def _changes_in_place(site: Site, id: str) -> None:
    """Another type, with a stop and a start; a larger disk."""
    larger = site.shell.write(WHOLE.replace("t3.micro}", "t3.small, disk_gib: 30}"), "larger.yaml")
    said = site.shell.awsrun("apply", larger).stdout
    assert "type: t3.micro → t3.small" in said and "disk_gib: 8 → 30" in said
    now = site.server()
    assert (now["InstanceId"], now["InstanceType"], now["State"]["Name"]) == (id, "t3.small", "running")
    assert site.cloud.client("ec2").describe_volumes()["Volumes"][0]["Size"] == 30
    assert "no change" in site.shell.awsrun("apply", larger).stdout
    smaller = site.shell.awsrun("apply", "spec.yaml", code=0)
    assert site.server()["InstanceType"] == "t3.micro", smaller.stdout


def _stays_stopped(site: Site, id: str) -> None:
    """Who stops a server wants it stopped: no apply starts it, not even one that changes its type."""
    ec2 = site.cloud.client("ec2")
    ec2.stop_instances(InstanceIds=[id])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[id], WaiterConfig={"Delay": 0, "MaxAttempts": 500})
    assert "no change" in site.shell.awsrun("drift", "spec.yaml").stdout
    (web,) = [one for one in site.shell.json("status", "first")["resources"] if one["name"] == "web"]
    assert (web["phase"], web["why"], web["outputs"]["state"]) == ("ready", "stopped", "stopped")
    assert "stopped" in site.shell.awsrun("status", "first").stdout
    site.shell.awsrun("apply", "larger.yaml")
    assert (site.server()["State"]["Name"], site.server()["InstanceType"]) == ("stopped", "t3.small")


def _is_replaced_only_when_asked(site: Site, id: str) -> None:
    newer = site.point("6.12")
    assert "no change" in site.shell.awsrun("apply", "larger.yaml").stdout
    assert "nothing to refresh is called 'wbe'; did you mean" in (
        site.shell.awsrun("plan", "larger.yaml", "--refresh", "wbe", code=1).stderr
    )
    assert newer in site.shell.awsrun("plan", "larger.yaml", "--refresh", "web", code=2).stdout
    site.shell.awsrun("apply", "larger.yaml", "--refresh", "web", "--yes")
    now = site.server()
    assert (now["InstanceId"] != id, now["ImageId"]) == (True, newer)
    assert now["PublicIpAddress"] == site.shell.json("outputs", "first")["fixed"]["address"]
    assert "no change" in site.shell.awsrun("apply", "larger.yaml", "--refresh", "web").stdout
