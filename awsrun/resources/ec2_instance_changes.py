"""Changes of an EC2 instance that is there, one step at a time.

A type changes only while an instance is stopped
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/change-instance-type-of-ebs-backed-instance.html).  That it was
running is kept in a tag before it is stopped, so that whoever goes on after a crash starts it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from awsrun.aws.errors import AwsrunError
from awsrun.aws.tags import pairs
from awsrun.resources.ec2_instance_state import InstanceState
from awsrun.resources.ec2_user_data import IDLE_TAG

HELD_TAG, USER_TAG = "awsrun:held", "awsrun:user"


def step(
    ec2: Any, looks: Any, entry: Mapping[str, Any], wanted: InstanceState, seen: InstanceState, fields: set[str]
) -> None:
    """One step from ``seen`` towards ``wanted``.

    Args:
        ec2: the client for mutating calls; ``looks``: that for reads.
        entry: what DescribeInstances says of it.
        fields: the names of what differs.

    Raises:
        AwsrunError: EC2 cannot do it.
    """
    id = entry["InstanceId"]
    if "type" in fields:
        _retype(ec2, entry, wanted.type)
    elif "held" in fields:
        _release(ec2, entry)
    elif "groups" in fields:
        ec2.modify_instance_attribute(InstanceId=id, Groups=sorted(wanted.groups))
    elif "profile" in fields:
        _change_profile(ec2, looks, id, seen.profile, wanted.profile)
    elif "elastic_ip" in fields:
        _change_address(ec2, looks, id, seen.elastic_ip, wanted)
    elif "imdsv2" in fields:
        ec2.modify_instance_metadata_options(InstanceId=id, HttpTokens="required", HttpEndpoint="enabled")
    elif fields & {"disk_gib", "disk_type"}:
        _change_disk(ec2, entry["Disk"], wanted, seen)
    else:
        tags = {USER_TAG: wanted.user or seen.user or "", IDLE_TAG: str(wanted.stop_when_idle)}
        named = {"user": USER_TAG, "stop_when_idle": IDLE_TAG}
        _tag(ec2, id, {named[one]: tags[named[one]] for one in fields if one in named})


def _retype(ec2: Any, entry: Mapping[str, Any], type: str) -> None:
    id, status = entry["InstanceId"], entry["State"]["Name"]
    if status == "running":
        _tag(ec2, id, {HELD_TAG: "true"})
        ec2.stop_instances(InstanceIds=[id])
    elif status == "stopped":
        ec2.modify_instance_attribute(InstanceId=id, InstanceType={"Value": type})


def _release(ec2: Any, entry: Mapping[str, Any]) -> None:
    """The tag goes last: it says that there is still something to do."""
    if entry["State"]["Name"] == "stopped":
        ec2.start_instances(InstanceIds=[entry["InstanceId"]])
    ec2.delete_tags(Resources=[entry["InstanceId"]], Tags=[{"Key": HELD_TAG}])


def _change_profile(ec2: Any, looks: Any, id: str, old: str, new: str) -> None:
    if not old:
        ec2.associate_iam_instance_profile(InstanceId=id, IamInstanceProfile={"Name": new})
        return
    mine = [{"Name": "instance-id", "Values": [id]}, {"Name": "state", "Values": ["associating", "associated"]}]
    listed = looks.describe_iam_instance_profile_associations(Filters=mine)["IamInstanceProfileAssociations"]
    for association in (one["AssociationId"] for one in listed[:1]):
        if new:
            ec2.replace_iam_instance_profile_association(AssociationId=association, IamInstanceProfile={"Name": new})
        else:
            ec2.disassociate_iam_instance_profile(AssociationId=association)


def _change_address(ec2: Any, looks: Any, id: str, old: str, wanted: InstanceState) -> None:
    """An address that it has leaves first; the new one comes from whatever has it, such as the server it replaces."""
    if not old:
        ec2.associate_address(InstanceId=id, AllocationId=wanted.launch.allocation, AllowReassociation=True)
        return
    for one in looks.describe_addresses(Filters=[{"Name": "public-ip", "Values": [old]}])["Addresses"]:
        if one.get("AssociationId"):
            ec2.disassociate_address(AssociationId=one["AssociationId"])


def _change_disk(ec2: Any, disk: Mapping[str, Any], wanted: InstanceState, seen: InstanceState) -> None:
    """EC2 changes a volume once in six hours
    (https://docs.aws.amazon.com/ebs/latest/userguide/modify-volume-requirements.html)."""
    size = wanted.disk_gib or disk["Size"]
    if size < disk["Size"]:
        raise AwsrunError(
            f"a disk of {disk['Size']} GiB cannot shrink to {size}",
            f"it is {disk['VolumeId']}",
            f"disk_gib: {disk['Size']}; or a server under another key of the spec",
        )
    ec2.modify_volume(VolumeId=disk["VolumeId"], Size=size, VolumeType=wanted.disk_type)


def _tag(ec2: Any, id: str, tags: dict[str, str]) -> None:
    if tags:
        ec2.create_tags(Resources=[id], Tags=pairs(tags))
