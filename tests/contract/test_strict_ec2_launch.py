"""Servers under strict: what EC2 does not start, and what it says of one that is in the wrong state."""

from __future__ import annotations

from typing import Any

import pytest
from strict_ec2_network import Network, code, does, until


@pytest.fixture
def ec2(strict_cloud: Any) -> Any:
    return strict_cloud.client("ec2")


@pytest.fixture(scope="module")
def images(strict_cloud: Any) -> dict[str, str]:
    """Amazon Linux 2023 by architecture."""
    ssm = strict_cloud.client("ssm")
    named = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{}"
    return {one: ssm.get_parameter(Name=named.format(one))["Parameter"]["Value"] for one in ("x86_64", "arm64")}


def start(ec2: Any, image: str, **more: Any) -> Any:
    return ec2.run_instances(ImageId=image, **{"InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, **more})


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        ({"ImageId": "ami-0123456789abcdef0"}, "InvalidAMIID.NotFound"),
        ({"InstanceType": "t9.huge"}, "InvalidParameterValue"),
        ({"InstanceType": "t4g.micro"}, "InvalidParameterValue"),
        ({"KeyName": "nobodys"}, "InvalidKeyPair.NotFound"),
        ({"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 4}}]}, "InvalidBlockDeviceMapping"),
        (
            {"InstanceMarketOptions": {"MarketType": "spot"}, "InstanceInitiatedShutdownBehavior": "stop"},
            "InvalidParameterCombination",
        ),
        ({"UserData": "x" * 16385}, "InvalidParameterValue"),
    ],
    ids=["image", "type", "architecture", "key", "disk", "spot", "user-data"],
)
def test_what_does_not_start(ec2: Any, images: dict[str, str], arguments: dict[str, Any], refused: str) -> None:
    image = arguments.pop("ImageId", images["x86_64"])
    assert code(lambda: start(ec2, image, **arguments)) == refused


def test_what_fits_starts(ec2: Any, images: dict[str, str]) -> None:
    for architecture, type in (("x86_64", "t3.micro"), ("arm64", "t4g.micro")):
        (made,) = start(ec2, images[architecture], InstanceType=type)["Instances"]
        assert made["Architecture"] == architecture


def test_a_spot_instance_is_not_stopped(ec2: Any, images: dict[str, str]) -> None:
    (made,) = start(ec2, images["x86_64"], InstanceMarketOptions={"MarketType": "spot"})["Instances"]
    mine = {"InstanceIds": [made["InstanceId"]]}
    assert code(lambda: does(ec2.stop_instances, **mine)) == "UnsupportedOperation"


def test_a_pending_server_takes_no_address(ec2: Any) -> None:
    """Seen in one of many that are just starting: a moment here is short."""
    network = Network(ec2)
    network.gateway()
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    answers = set()
    for _ in range(20):
        id = network.instance()
        answers.add(code(lambda id=id: does(ec2.associate_address, InstanceId=id, AllocationId=address)))
        if "InvalidInstanceID" in answers:
            break
    assert "InvalidInstanceID" in answers
    give = {"InstanceId": id, "AllocationId": address, "AllowReassociation": True}
    until(lambda: code(lambda: ec2.associate_address(**give)) == "")
    assert code(lambda: ec2.release_address(AllocationId=address)) == "InvalidIPAddress.InUse"
