"""Launch templates: how the instances of a compute environment start.

The root disk is encrypted, and instance metadata is given to IMDSv2 requests only, so that a job that can be talked
into fetching a URL does not hand out the instance's credentials
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html; EC2.8 and EC2.170 of
https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html).

A version of a template never changes, and Batch looks at ``$Latest`` only when an environment is made or its
infrastructure updated (https://docs.aws.amazon.com/batch/latest/APIReference/API_LaunchTemplateSpecification.html).  So
each template has one version, and a change makes another template.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from botocore.exceptions import ClientError
from pydantic import Field

from awsrun.aws.errors import matches
from awsrun.aws.rights import Right, allow
from awsrun.resources.ec2 import Ec2Kind
from awsrun.resources.kind import REPLACE, Owner, Refs, Seen, State
from awsrun.spec.references import ResourceSpec

VERSION = "1"
# Of the images that ECS and Batch choose, Amazon Linux 2 and 2023, with and without GPUs; they bring 30 GiB
# (https://docs.aws.amazon.com/batch/latest/userguide/launch-templates.html).
ROOT, LEAST = "/dev/xvda", 30
HOPS = 2  # a container in a network of its own is one hop further away


class LaunchTemplateSpec(ResourceSpec):
    """How instances start: an encrypted root disk, and instance metadata by IMDSv2 only. It costs nothing."""

    outputs = ("id", "name")
    example = """
    template: {kind: ec2.launch_template, disk_gib: 200}
    """
    kind: Literal["ec2.launch_template"] = "ec2.launch_template"
    name: str | None = Field(
        default=None, min_length=3, max_length=125, pattern=r"^[A-Za-z0-9().\-/_]+$", description="Physical name."
    )
    disk_gib: int = Field(
        default=LEAST,
        ge=LEAST,
        le=16384,
        description="Root disk in GiB (gp3), where images and what jobs write lie. A change replaces what uses it.",
    )


@dataclass(frozen=True)
class LaunchTemplateState(State):
    """All of it is in version 1.  ``hops``: how far away instance metadata can be had."""

    device: Annotated[str, REPLACE]
    disk_gib: Annotated[int, REPLACE]
    disk_type: Annotated[str, REPLACE]
    encrypted: Annotated[bool, REPLACE]
    imdsv2: Annotated[bool, REPLACE]
    hops: Annotated[int, REPLACE]


class LaunchTemplate(Ec2Kind[LaunchTemplateSpec, LaunchTemplateState]):
    kind = "ec2.launch_template"
    Spec = LaunchTemplateSpec
    State = LaunchTemplateState
    identity = "name"
    hashed = True
    name_limit = 125
    absent = frozenset({"InvalidLaunchTemplateName.NotFoundException", "InvalidLaunchTemplateId.NotFound"})
    exists = frozenset({"InvalidLaunchTemplateName.AlreadyExistsException"})

    lists = ("describe_launch_templates", "LaunchTemplates")
    id_key = "LaunchTemplateName"
    type_name = "launch-template"
    actions: ClassVar[Mapping[str, str]] = {"create": "CreateLaunchTemplate", "delete": "DeleteLaunchTemplate"}
    inside = False

    def rights(self, stack: str, specs: Mapping[str, LaunchTemplateSpec]) -> Iterable[Right]:
        """A list of templates leaves out what is in them, so that is read of each."""
        yield from super().rights(stack, specs)
        yield allow("find", "ec2", "DescribeLaunchTemplateVersions")

    def lower(self, spec: LaunchTemplateSpec, refs: Refs) -> LaunchTemplateState:
        return LaunchTemplateState(ROOT, spec.disk_gib, "gp3", encrypted=True, imdsv2=True, hops=HOPS)

    def seen(self, entry: Mapping[str, Any], tags: Mapping[str, str]) -> Seen[LaunchTemplateState]:
        name = entry["LaunchTemplateName"]
        outputs = {"id": entry["LaunchTemplateId"], "name": name, "version": VERSION}
        try:
            listed = self.cloud.read("ec2").describe_launch_template_versions(
                LaunchTemplateId=entry["LaunchTemplateId"], Versions=[VERSION]
            )["LaunchTemplateVersions"]
        except ClientError as error:
            if not matches(error, {"InvalidLaunchTemplateId.VersionNotFound"}):
                raise
            listed = []
        if not listed:
            return Seen(None, "broken", f"somebody deleted its version {VERSION}", outputs)
        return Seen(_state(listed[0]["LaunchTemplateData"]), "ready", outputs=outputs)

    def create(self, state: LaunchTemplateState, owner: Owner) -> str:
        disk = {
            "VolumeSize": state.disk_gib,
            "VolumeType": state.disk_type,
            "Encrypted": state.encrypted,
            "DeleteOnTermination": True,
        }
        self.ec2.create_launch_template(
            LaunchTemplateName=owner.physical,
            LaunchTemplateData={
                "BlockDeviceMappings": [{"DeviceName": state.device, "Ebs": disk}],
                "MetadataOptions": {
                    "HttpEndpoint": "enabled",
                    "HttpTokens": "required" if state.imdsv2 else "optional",
                    "HttpPutResponseHopLimit": state.hops,
                },
            },
            TagSpecifications=self.tagged(owner),
        )
        return owner.physical

    def tag(self, id: str, set: Mapping[str, str], unset: Collection[str]) -> None:
        """Tags go by AWS's own id."""
        for entry in self._list(LaunchTemplateNames=[id]):
            super().tag(entry["LaunchTemplateId"], set, unset)

    def delete(self, id: str, seen: Seen[LaunchTemplateState]) -> None:
        """By its id: its name may be somebody else's by now."""
        self.ec2.delete_launch_template(LaunchTemplateId=seen.outputs["id"])

    def _list(self, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        yield from super()._list(**arguments, PaginationConfig={"PageSize": 200})


def _state(data: Mapping[str, Any]) -> LaunchTemplateState:
    (mapping, *_) = data.get("BlockDeviceMappings") or [{}]
    disk, metadata = mapping.get("Ebs", {}), data.get("MetadataOptions", {})
    return LaunchTemplateState(
        device=mapping.get("DeviceName", ""),
        disk_gib=disk.get("VolumeSize", 0),
        disk_type=disk.get("VolumeType", ""),
        encrypted=disk.get("Encrypted", False),
        imdsv2=metadata.get("HttpTokens") == "required",
        hops=metadata.get("HttpPutResponseHopLimit", 1),
    )
