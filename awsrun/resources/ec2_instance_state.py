"""What a server is, and the RunInstances request that makes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from awsrun.resources.ec2_image import Image
from awsrun.resources.ec2_user_data import UserData
from awsrun.resources.kind import REPLACE, State

HOPS = 2  # that an answer of the metadata service may take: a container's is the second


@dataclass(frozen=True)
class Launch:
    """What calls need beside the state; it never makes a difference.

    Attributes:
        disk_gib: how large to make the disk, where `InstanceState.disk_gib` is not managed; 0 as the image has it.
        allocation: the id of its Elastic IP.
        key_file: where the private key lies.
    """

    disk_gib: int = field(default=0, compare=False)
    allocation: str = field(default="", compare=False)
    key_file: str = field(default="", compare=False)


@dataclass(frozen=True)
class InstanceState(State):
    """A server.

    Attributes:
        ami: the selector; ``image_id``: what it stood for when the server was made.
        spot: the type that was bought as spot, which cannot change; empty on demand.
        watched: whether it came with the watcher that `stop_when_idle` needs.
        profile: the name of its instance profile; empty for none, as ``key`` and ``elastic_ip`` (an address) are.
        public: whether its subnet gives public addresses.
        held: ``running`` or ``stopped`` while its type is being changed, for which it is stopped and started again;
            which of them it is, so that each step shows.
    """

    ami: Annotated[str, REPLACE]
    image_id: Annotated[str | None, REPLACE]
    architecture: Annotated[str, REPLACE]
    spot: Annotated[str, REPLACE]
    subnet_id: Annotated[str, REPLACE]
    key: Annotated[str, REPLACE]
    user_data: Annotated[UserData, REPLACE]
    watched: Annotated[bool | None, REPLACE]
    encrypted: Annotated[bool, REPLACE]
    type: str
    groups: frozenset[str]
    profile: str
    elastic_ip: str
    disk_gib: int | None
    disk_type: str
    imdsv2: bool
    stop_when_idle: int
    user: str | None
    public: bool
    held: str
    launch: Launch


def request(state: InstanceState, image: Image) -> dict[str, Any]:
    """RunInstances, without whose it is."""
    disk = {"VolumeType": state.disk_type, "Encrypted": state.encrypted, "DeleteOnTermination": True}
    if size := state.disk_gib or max(state.launch.disk_gib, image.disk_gib):
        disk["VolumeSize"] = size
    script = state.user_data.whole(bool(state.watched))
    once = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
    return {
        "ImageId": image.id,
        "InstanceType": state.type,
        "SubnetId": state.subnet_id,
        "SecurityGroupIds": sorted(state.groups),
        "BlockDeviceMappings": [{"DeviceName": image.device, "Ebs": disk}],
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required" if state.imdsv2 else "optional",
            "HttpPutResponseHopLimit": HOPS,
            "InstanceMetadataTags": "enabled" if state.watched else "disabled",
        },
        # Of spot instances EC2 takes nothing but terminate (https://github.com/ansible/ansible/pull/63246).
        "InstanceInitiatedShutdownBehavior": "terminate" if state.spot else "stop",
        **({"InstanceMarketOptions": {"MarketType": "spot", "SpotOptions": once}} if state.spot else {}),
        **({"KeyName": state.key} if state.key else {}),
        **({"IamInstanceProfile": {"Name": state.profile}} if state.profile else {}),
        **({"UserData": script} if script else {}),
    }
