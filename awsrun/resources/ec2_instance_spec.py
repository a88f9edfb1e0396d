"""What users may write of an EC2 instance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationInfo, field_validator, model_validator

from awsrun.resources import ec2_user_data
from awsrun.resources.ec2_image import AMAZON_LINUX, DEEP_LEARNING, ImagePattern
from awsrun.resources.iam_role import RoleSpec
from awsrun.resources.security_group import TEXT
from awsrun.resources.vpc import VpcSpec
from awsrun.spec.paths import FilePath
from awsrun.spec.references import Misfit, RefTo, ResourceSpec

INSTANCE_TYPE = r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$"
DISKS = {AMAZON_LINUX: 16, DEEP_LEARNING: 100}  # GiB, unless a spec says it
_FILE: TypeAdapter[str] = TypeAdapter(FilePath)


class InstanceSpec(ResourceSpec):
    """A server (EC2 instance). It costs by the hour while it runs, and for its disk while it is stopped."""

    outputs = ("id", "name", "private_ip", "public_dns", "public_ip", "user")
    example = """
    network: {kind: vpc, cidr: 10.10.0.0/23, max_azs: 1}
    key: {kind: key_pair}
    web: {kind: ec2.instance, vpc: network, key_pair: key, instance_type: t3.micro}
    """

    kind: Literal["ec2.instance"] = "ec2.instance"
    name: str | None = Field(default=None, max_length=255, pattern=TEXT, description="Name that the console shows.")
    vpc: Annotated[str, RefTo("vpc")] = Field(description="The VPC that it is in.")
    subnet: str = Field(
        default="public-0",
        pattern=r"^(public|private)-[0-3]$",
        description="In which of the VPC's subnets: public-0 is the public one of the first zone. What is in a private "
        "one has no public address. A change replaces the server.",
    )
    instance_type: str = Field(
        default="t3.micro",
        pattern=INSTANCE_TYPE,
        description="Instance type. A change stops the server, and starts it again if it was running.",
    )
    ami: str | ImagePattern = Field(
        default=AMAZON_LINUX,
        description="What it starts from: amazon-linux (Amazon Linux 2023), deep-learning (with GPU drivers and "
        "PyTorch), an image (ami-...), a parameter of SSM that holds one (/aws/service/...), or the newest of an owner "
        "whose name is like {owner: amazon, name: ...}. Found out when the server is made; a newer image never "
        "replaces it, unless you ask: apply --refresh NAME.",
    )
    key_pair: Annotated[str, RefTo("key_pair")] | None = Field(default=None, description="The key that SSH takes.")
    user: str | None = Field(
        default=None,
        pattern=r"^[a-z_][a-z0-9_-]{0,31}$",
        description="Whom SSH logs in; that of the image (ec2-user, ubuntu) unless given.",
    )
    security_groups: list[Annotated[str, RefTo("security_group")]] = Field(
        default=[],
        max_length=5,
        description="Security groups; unless given, one of its own that lets SSH in from your own address alone.",
    )
    role: Annotated[str, RefTo("iam.role")] | None = Field(
        default=None, description="What its programs may do in AWS: an iam.role with service: ec2."
    )
    instance_profile: Annotated[str, RefTo("iam.instance_profile")] | None = Field(
        default=None, description="The same, where a profile is shared; instead of role."
    )
    elastic_ip: Annotated[str, RefTo("elastic_ip")] | None = Field(
        default=None, description="A public address that stays the same; else it gets another with each start."
    )
    user_data: str | None = Field(
        default=None,
        description="What it runs on its first start: a script (#!...), or the file that has it. A change replaces "
        "the server.",
    )
    spot: bool = Field(
        default=False,
        description="Spare capacity: much cheaper, and taken back, disk and all, with two minutes' notice.",
    )
    disk_gib: int | None = Field(
        default=None,
        ge=8,
        le=16384,
        description=f"Root disk in GiB, encrypted; {DISKS[AMAZON_LINUX]} with amazon-linux, {DISKS[DEEP_LEARNING]} "
        "with deep-learning and else as the image has it, unless given. It grows in place (the file system with the "
        "next start) and cannot shrink.",
    )
    disk_type: Literal["gp3", "gp2"] = Field(default="gp3", description="Kind of disk.")
    stop_when_idle: int | None = Field(
        default=None,
        ge=5,
        le=10080,
        description="Minutes without sessions, load, GPU work and traffic after which the server stops itself; start "
        "it with awsrun ssh or aws ec2 start-instances. The minutes change in place.",
    )

    @field_validator("ami")
    @classmethod
    def _selector(cls, value: str | ImagePattern) -> str | ImagePattern:
        if isinstance(value, str) and value not in DISKS and not value.startswith(("ami-", "/")):
            raise ValueError(
                f"{value!r} is neither {' nor '.join(DISKS)}, an image (ami-...) nor a parameter of SSM (/aws/...); "
                "a pattern is written {owner: amazon, name: ...}"
            )
        return value

    @field_validator("user_data")
    @classmethod
    def _script(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None or value.startswith("#") or "\n" in value:
            return value
        path = _FILE.validate_python(value, context=info.context)
        try:
            return Path(path).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"cannot read {path}: {error}") from None

    @model_validator(mode="after")
    def _possible(self) -> InstanceSpec:
        if self.role and self.instance_profile:
            raise ValueError("give role or instance_profile, not both")
        if self.spot and self.stop_when_idle:
            raise ValueError("a spot instance cannot be stopped: leave out spot, or stop_when_idle")
        if wrong := ec2_user_data.mistake(self.user_data or "", bool(self.stop_when_idle)):
            raise ValueError(f"user_data: {wrong}")
        return self

    @property
    def public(self) -> bool:
        return self.subnet.startswith("public")

    def disk(self) -> int:
        """How large the root disk is made, in GiB; 0 for as the image has it."""
        return self.disk_gib or DISKS.get(str(self.ami), 0)

    def within(self, stack: Mapping[str, ResourceSpec]) -> InstanceSpec:
        """Nothing is filled in; what it names must fit it."""
        network, role = stack[self.vpc], stack.get(self.role or "")
        assert isinstance(network, VpcSpec)  # the reference was checked
        kind, _, zone = self.subnet.partition("-")
        if kind == "private" and not network.private:
            raise Misfit("subnet", f"{self.vpc!r} has no private subnets: give it private: nat, or take public-0")
        if int(zone) >= network.max_azs:
            raise Misfit("subnet", f"{self.vpc!r} has subnets in {network.max_azs} zones: raise its max_azs")
        if isinstance(role, RoleSpec) and "ec2" not in role.services:
            raise Misfit("role", f"EC2 may not assume {self.role!r}: give it service: ec2")
        if self.elastic_ip and not self.public:
            raise Misfit("elastic_ip", f"a public address does not work in {self.subnet}: take a public subnet")
        sharing = [one for one in stack.values() if isinstance(one, InstanceSpec) and one.elastic_ip == self.elastic_ip]
        if self.elastic_ip and len(sharing) > 1:
            raise Misfit("elastic_ip", f"{self.elastic_ip!r} can be that of one server only")
        return self
