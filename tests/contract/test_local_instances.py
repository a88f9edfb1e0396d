"""Servers of the embedded cloud, by what a client sees: it fails on plain moto."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from awsrun.aws.clients import Cloud
from awsrun.aws.context import LOCAL
from awsrun.aws.errors import AwsrunError
from awsrun.aws.tags import NAME, NONCE, STACK
from awsrun.resources.ec2_image import resolve
from awsrun.resources.kind import Owner, diff
from awsrun.resources.registry import kind
from awsrun.ssh import machine
from awsrun.ssh.machine import Machine
from awsrun.ssh.waiting import Wait
from tests.conftest import LocalCloud
from tests.contract.kinds_bench import Bench
from tests.contract.kinds_samples import spec


@pytest.fixture
def ec2(local_cloud: LocalCloud) -> Any:
    return local_cloud.client("ec2")


def cloud_in(local_cloud: LocalCloud, region: str) -> Cloud:
    import boto3

    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=region)
    return Cloud(session, LOCAL if region == LOCAL.region else LOCAL.__class__("local", region), local_cloud.endpoint)


@pytest.fixture
def subnet(ec2: Any) -> str:
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    made = ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.0.0/24")["Subnet"]["SubnetId"]
    ec2.modify_subnet_attribute(SubnetId=made, MapPublicIpOnLaunch={"Value": True})
    return str(made)


def server(ec2: Any, subnet: str, **more: Any) -> str:
    made = ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1, SubnetId=subnet, **more)["Instances"][0]
    return str(made["InstanceId"])


def shown(ec2: Any, id: str) -> Any:
    return ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-2", "ap-northeast-1"])
def test_both_named_images_are_there_in_any_region(local_cloud: LocalCloud, region: str) -> None:
    cloud = cloud_in(local_cloud, region)
    found = {
        one: {resolve(cloud, one, arch).id for arch in ("x86_64", "arm64")} for one in ("amazon-linux", "deep-learning")
    }
    assert all(len(ids) == 2 for ids in found.values())
    deep = resolve(cloud, "deep-learning", "x86_64")
    (image,) = local_cloud.client("ec2", region_name=region).describe_images(ImageIds=[deep.id])["Images"] or [None]
    assert "PyTorch 2.13 " in image["Name"], "the newest version, not the newest build"
    assert (deep.user, deep.device, deep.disk_gib) == ("ec2-user", "/dev/xvda", 75)


def test_other_selectors_and_what_they_do_not_find(local_cloud: LocalCloud) -> None:
    cloud = cloud_in(local_cloud, "us-east-1")
    ubuntu = resolve(cloud, "099720109477:ubuntu/images/*", "x86_64")
    assert (ubuntu.user, resolve(cloud, ubuntu.id, "x86_64")) == ("ubuntu", ubuntu)
    document = json.dumps({"image_id": ubuntu.id, "os": "Ubuntu"})
    local_cloud.client("ssm").put_parameter(Name="/mine/document", Value=document, Type="String", Overwrite=True)
    assert resolve(cloud, "/mine/document", "x86_64") == ubuntu, "as the parameters of ECS have it"
    for selector, said in (
        ("ami-0123456789abcdef0", "there is no image"),
        ("/nowhere", "has no parameter /nowhere"),
        ("amazon:nothing-like-this-*", "has no image of amazon"),
    ):
        with pytest.raises(AwsrunError, match=said):
            resolve(cloud, selector, "x86_64")
    with pytest.raises(AwsrunError, match="is an image for x86_64, and the instance type is arm64"):
        resolve(cloud, ubuntu.id, "arm64")


def test_a_fixed_address_stays_while_a_server_is_stopped_and_moves(ec2: Any, subnet: str) -> None:
    first, second = server(ec2, subnet), server(ec2, subnet)
    fixed = ec2.allocate_address(Domain="vpc")
    own = shown(ec2, first)["NetworkInterfaces"][0]["Association"]
    assert own["IpOwnerId"] == "amazon"
    ec2.associate_address(InstanceId=first, AllocationId=fixed["AllocationId"])
    ec2.stop_instances(InstanceIds=[first])
    assert shown(ec2, first)["PublicIpAddress"] == fixed["PublicIp"]
    ec2.start_instances(InstanceIds=[first])
    held = shown(ec2, first)["NetworkInterfaces"][0]["Association"]
    assert (held["PublicIp"], held["IpOwnerId"]) == (fixed["PublicIp"], "123456789012")
    ec2.associate_address(InstanceId=second, AllocationId=fixed["AllocationId"], AllowReassociation=True)
    assert shown(ec2, second)["PublicIpAddress"] == fixed["PublicIp"]
    assert shown(ec2, first).get("PublicIpAddress") not in (None, fixed["PublicIp"])
    ec2.terminate_instances(InstanceIds=[first, second])
    (free,) = ec2.describe_addresses(AllocationIds=[fixed["AllocationId"]])["Addresses"]
    assert not free.get("AssociationId")
    ec2.release_address(AllocationId=fixed["AllocationId"])


def test_its_interface_has_tags_and_goes_with_a_server(ec2: Any, subnet: str) -> None:
    tags = [{"ResourceType": "network-interface", "Tags": [{"Key": "team", "Value": "a"}]}]
    id = server(ec2, subnet, TagSpecifications=tags)
    (interface,) = ec2.describe_network_interfaces(Filters=[{"Name": "attachment.instance-id", "Values": [id]}])[
        "NetworkInterfaces"
    ]
    assert interface["TagSet"] == [{"Key": "team", "Value": "a"}]
    ec2.terminate_instances(InstanceIds=[id])
    inside = [{"Name": "subnet-id", "Values": [subnet]}]
    assert ec2.describe_network_interfaces(Filters=inside)["NetworkInterfaces"] == []


def test_no_machine_to_give_is_told_with_what_helps(local_cloud: LocalCloud) -> None:
    """AWS's answer, on the wire: a 500, although nothing was started."""
    from botocore.awsrequest import AWSResponse

    body = (
        "<Response><Errors><Error><Code>InsufficientInstanceCapacity</Code><Message>We currently do not have "
        "sufficient t3.micro capacity in us-east-1a.</Message></Error></Errors><RequestID>1</RequestID></Response>"
    )

    class Raw:
        def stream(self, *_: Any, **__: Any) -> Any:
            yield body.encode()

    cloud = cloud_in(local_cloud, "us-east-1")
    bench = Bench(cloud, "crowded", {"network": spec("vpc", max_azs=1), "web": spec("ec2.instance", vpc="network")})
    bench.make_before("web")
    answer = AWSResponse("http://ec2", 500, {}, Raw())
    cloud.write("ec2").meta.events.register("before-send.ec2.RunInstances", lambda **_: answer)
    state = bench.wanted("web")
    owner = Owner("crowded", "web", "crowded-web", {}, "token")
    with pytest.raises(AwsrunError) as caught:
        kind("ec2.instance")(cloud).create(state, owner)
    assert caught.value.what == "EC2 has no t3.micro to give at the moment"
    assert "sufficient t3.micro capacity" in caught.value.why and "another zone" in caught.value.hint
    cloud.write("ec2").meta.events.register("before-send.ec2.StartInstances", lambda **_: answer)
    now = datetime.now(timezone.utc)
    stopped = Machine("crowded", "web", "i-1", "stopped", "t3.micro", "", "", "", (), now)
    with pytest.raises(AwsrunError, match="micro to give at the moment") as caught:
        machine.start(cloud, stopped, Wait())
    assert "another zone" not in caught.value.hint, "its disk is in this one"


def test_a_repeat_after_a_newer_image_came_out_is_the_same_server(local_cloud: LocalCloud) -> None:
    """The answer of the first call was lost, and its selector means another image by now: the token does not fit."""
    ssm, cloud = local_cloud.client("ssm"), cloud_in(local_cloud, "us-east-1")
    server = spec("ec2.instance", vpc="network", ami="/mine/moving")
    bench = Bench(cloud, "moving", {"network": spec("vpc", max_azs=1), "web": server})
    bench.make_before("web")
    state, made = bench.wanted("web"), []
    owner = Owner("moving", "web", "moving-web", {NONCE: "n1", STACK: "moving", NAME: "web"}, "token-of-moving")
    for kernel in ("6.1", "6.12"):
        named = f"/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-{kernel}-x86_64"
        image = ssm.get_parameter(Name=named)["Parameter"]["Value"]
        ssm.put_parameter(Name="/mine/moving", Value=image, Type="String", Overwrite=True)
        made.append(kind("ec2.instance")(cloud).create(state, owner))
    assert made[0] == made[1]


def test_each_step_of_a_change_of_type_shows(local_cloud: LocalCloud, ec2: Any) -> None:
    """Cut short before the stop and taken up again, it is stopped: were nothing else to be seen, it would end there."""
    cloud = cloud_in(local_cloud, "us-east-1")
    bench = Bench(cloud, "typed", {"network": spec("vpc", max_azs=1), "web": spec("ec2.instance", vpc="network")})
    bench.make()
    bench.put("web", spec("ec2.instance", vpc="network", instance_type="t3.small"))
    wanted, id = bench.wanted("web"), bench.ids["web"]
    ec2.create_tags(Resources=[id], Tags=[{"Key": "awsrun:held", "Value": "true"}])
    steps = []
    while changes := diff(wanted, bench.seen("web").state):
        assert repr(changes) not in steps
        steps.append(repr(changes))
        bench.kind(bench.nodes["web"]).update(id, wanted, bench.seen("web").state, changes)
    assert len(steps) == 3, "stopped, changed, started"
    assert shown(ec2, id)["State"]["Name"] == "running"
