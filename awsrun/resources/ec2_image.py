"""Machine images: what a selector stands for, found out when a server is made.

A selector is a name of ours (``amazon-linux``, ``deep-learning``), an image (``ami-...``), a parameter of SSM that
holds one (``/aws/service/...``), or an owner and a pattern of names (``amazon:al2023-ami-minimal-*``).

Sources: https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters-ami.html,
https://docs.aws.amazon.com/dlami/latest/devguide/appendix-ami-release-notes.html (names of the Deep Learning AMIs),
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/managing-users.html (whom each system lets log in).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, Field

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError, matches, message_of

AMAZON_LINUX, DEEP_LEARNING = "amazon-linux", "deep-learning"
_AL2023 = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{}"
# By architecture.  One system of the two that they come with, so that the login name stays the same.
_DLAMI = {
    "x86_64": "amazon:Deep Learning OSS Nvidia Driver AMI GPU PyTorch * (Amazon Linux 2023) *",
    "arm64": "amazon:Deep Learning ARM64 AMI OSS Nvidia Driver GPU PyTorch * (Amazon Linux 2023) *",
}
_PYTORCH = re.compile(r"PyTorch (\d+)\.(\d+)")
_USERS = (("ubuntu", "ubuntu"), ("debian", "admin"), ("rocky", "rocky"), ("fedora", "fedora"), ("bitnami", "bitnami"))
_NO_IMAGE = frozenset({"InvalidAMIID.NotFound", "InvalidAMIID.Unavailable", "InvalidAMIID.Malformed"})


class ImagePattern(BaseModel):
    """The newest image of an owner whose name fits a pattern."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    owner: str = Field(
        default="amazon",
        pattern=r"^(amazon|aws-marketplace|self|\d{12})$",
        description="amazon, aws-marketplace, self, or the number of an account.",
    )
    name: str = Field(min_length=3, max_length=200, description="Its name; * stands for anything, ? for one character.")

    def __str__(self) -> str:
        return f"{self.owner}:{self.name}"


@dataclass(frozen=True)
class Image:
    """An image of this region.

    Attributes:
        user: whom it lets log in.
        device: its root disk; ``disk_gib``: how large that is at least.
    """

    id: str
    user: str
    device: str
    disk_gib: int


def resolve(cloud: Cloud, selector: str, architecture: str) -> Image:
    """What ``selector`` stands for now, for machines of ``architecture`` (``x86_64``, ``arm64``).

    Raises:
        AwsrunError: it stands for nothing, or for an image of another architecture.
    """
    if selector == AMAZON_LINUX:
        found = _described(cloud, _parameter(cloud, _AL2023.format(architecture)))
    elif selector.startswith("/"):
        found = _described(cloud, _parameter(cloud, selector))
    elif selector.startswith("ami-"):
        found = _described(cloud, selector)
    else:
        named = selector == DEEP_LEARNING
        fitting = _fitting(cloud, _DLAMI[architecture] if named else selector, architecture)
        found = max(fitting, key=lambda one: (_version(one) if named else (), one["CreationDate"], one["ImageId"]))
    if found["Architecture"] != architecture:
        raise AwsrunError(
            f"{selector} is an image for {found['Architecture']}, and the instance type is {architecture}",
            f"{found['ImageId']}: {found.get('Name', '')}",
            "another ami, or another instance_type (types with a g after the number, t4g, are arm64)",
        )
    return _image(found)


def _parameter(cloud: Cloud, name: str) -> str:
    """The image that a parameter holds: its id, or a document that has it (those of ECS do)."""
    try:
        value = str(cloud.read("ssm").get_parameter(Name=name)["Parameter"]["Value"])
    except ClientError as error:
        if matches(error, {"ParameterNotFound", "ValidationException"}):
            hint = "aws ssm get-parameters-by-path --path /aws/service/ami-amazon-linux-latest lists some"
            raise AwsrunError(f"{cloud.region} has no parameter {name}", message_of(error), hint) from error
        raise
    if not value.startswith("ami-"):
        try:
            value = str(json.loads(value)["image_id"])
        except (ValueError, KeyError, TypeError):
            raise AwsrunError(f"the parameter {name} holds no image", f"but {value[:80]!r}", "name another") from None
    return value


def _described(cloud: Cloud, id: str) -> Mapping[str, Any]:
    try:
        listed = cloud.read("ec2").describe_images(ImageIds=[id])["Images"]
    except ClientError as error:
        if not matches(error, _NO_IMAGE):
            raise
        listed = []
    if not listed:
        why = "each region has images of its own, and some are private"
        raise AwsrunError(f"there is no image {id} in {cloud.region}", why, "ami: amazon-linux is there in any region")
    found: Mapping[str, Any] = listed[0]
    return found


def _fitting(cloud: Cloud, selector: str, architecture: str) -> Sequence[Mapping[str, Any]]:
    owner, _, name = selector.partition(":")
    wanted = {"name": name, "architecture": architecture, "state": "available"}
    filters = [{"Name": key, "Values": [value]} for key, value in wanted.items()]
    found: list[Mapping[str, Any]] = cloud.read("ec2").describe_images(Owners=[owner], Filters=filters)["Images"]
    if not found:
        what = f"{cloud.region} has no image of {owner} for {architecture} whose name is like {name!r}"
        raise AwsrunError(what, "", "another pattern, or another instance_type")
    return found


def _version(image: Mapping[str, Any]) -> tuple[int, ...]:
    """Older versions are published again and again, so the date alone does not tell the newest."""
    found = _PYTORCH.search(image.get("Name", ""))
    return tuple(int(part) for part in found.groups()) if found else ()


def _image(found: Mapping[str, Any]) -> Image:
    device = found["RootDeviceName"]
    disks = {one["DeviceName"]: one.get("Ebs", {}) for one in found.get("BlockDeviceMappings", [])}
    words = f"{found.get('Name', '')} {found.get('Description', '')}".lower()
    user = next((user for word, user in _USERS if word in words), "ec2-user")
    return Image(found["ImageId"], user, device, int(disks.get(device, {}).get("VolumeSize", 0)))
