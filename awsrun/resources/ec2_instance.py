"""EC2 instances: servers that users log in to.

A server is made with a client token, so that a repeated request brings the same one.  What it starts from is a selector
(`awsrun.resources.ec2_image`), found out then and kept in a tag: a newer image changes nothing.  A stopped server is
ready: nothing here starts it, but for one that was running when its type had to change, which a tag remembers.

Its disk is encrypted and goes with it; instance metadata is given to IMDSv2 requests only, two hops far, so that
containers have it too (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html).
Spot instances are bought once: EC2 neither stops them nor starts them again
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-interruptions.html).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import matches
from awsrun.aws.rights import Right, allow, equals, made_for
from awsrun.aws.tags import NONCE, STACK, pairs
from awsrun.prices import machines
from awsrun.prices.price import Price
from awsrun.prices.table import Prices
from awsrun.resources import ec2_image
from awsrun.resources.architecture import ARM, platform
from awsrun.resources.ec2 import Ec2Kind
from awsrun.resources.ec2_image import Image
from awsrun.resources.ec2_instance_changes import HELD_TAG, USER_TAG, step
from awsrun.resources.ec2_instance_spec import InstanceSpec
from awsrun.resources.ec2_instance_state import InstanceState, Launch, request
from awsrun.resources.ec2_refusals import REFUSALS, refusal
from awsrun.resources.ec2_user_data import IDLE_TAG, UserData
from awsrun.resources.iam_instance_profile import InstanceProfileSpec
from awsrun.resources.kind import ABSENT, Change, Owner, Phase, Refs, Seen
from awsrun.resources.ours import arn, known, outputs_of, partition
from awsrun.resources.rights import iam_arn, pass_roles
from awsrun.resources.security_group import MY_ADDRESS, Ingress, SecurityGroupSpec
from awsrun.spec.references import ResourceSpec

# What EC2 does not tell of an instance.
AMI_TAG, DATA_TAG, PUBLIC_TAG, KEY_TAG = "awsrun:ami", "awsrun:user-data", "awsrun:public", "awsrun:key-file"
_PHASES: Mapping[str, Phase] = {"pending": "pending", "stopping": "pending", "shutting-down": "deleting"}


class Instance(Ec2Kind[InstanceSpec, InstanceState]):
    kind = "ec2.instance"
    Spec = InstanceSpec
    State = InstanceState
    identity = "token"
    usual = 30.0
    name_limit = 255
    absent = frozenset({"InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed"})
    retry = frozenset(
        {
            "IncorrectInstanceState",
            "IncorrectState",  # its profile is changing
            "InvalidAllocationID.NotFound",
            "InvalidGroup.NotFound",
            "InvalidInstanceID:not in a valid state",  # https://github.com/hashicorp/terraform-provider-aws/pull/3072
            "InvalidKeyPair.NotFound",
            "InvalidParameterValue:Invalid IAM Instance Profile",
            "InvalidParameterValue:has no associated IAM Roles",
            "InvalidSecurityGroupID.NotFound",
            "InvalidSubnetID.NotFound",
            "InvalidVolume.NotFound",
            "IdempotentParameterMismatch",  # see `create`
        }
    )

    lists = ("describe_instances", "Reservations")
    id_key = "InstanceId"
    type_name = "instance"
    actions: ClassVar[Mapping[str, str]] = {
        "create": "RunInstances",
        "update": "ModifyInstanceAttribute ModifyInstanceMetadataOptions ModifyVolume StartInstances StopInstances",
        "delete": "TerminateInstances",
    }

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._images: dict[tuple[str, str], Image] = {}

    # -- what is wanted ---------------------------------------------------------------------------------------------

    def expand(self, name: str, spec: InstanceSpec) -> Mapping[str, ResourceSpec]:
        nodes: dict[str, ResourceSpec] = {}
        children: dict[str, Any] = {}
        if not spec.security_groups:
            group = f"{name}/security-group"
            ssh = Ingress.model_validate({"port": 22, "from": MY_ADDRESS})
            nodes[group] = SecurityGroupSpec(vpc=spec.vpc, description=f"Of {name}: SSH", ingress=[ssh])
            children["security_groups"] = [group]
        if spec.role:
            profile = f"{name}/profile"
            nodes[profile] = InstanceProfileSpec(role=spec.role)
            children |= {"instance_profile": profile, "role": None}
        return {**nodes, name: spec.model_copy(update=children)}

    def lower(self, spec: InstanceSpec, refs: Refs) -> InstanceState:
        fixed, key, profile = spec.elastic_ip, spec.key_pair, spec.instance_profile
        launch = Launch(
            disk_gib=spec.disk(),
            allocation=refs.output(fixed, "id") if fixed else "",
            key_file=refs.output(key, "path") if key else "",
        )
        return InstanceState(
            ami=str(spec.ami),
            image_id=None,
            architecture="arm64" if platform(spec.instance_type) == ARM else "x86_64",
            spot=spec.instance_type if spec.spot else "",
            subnet_id=refs.output(f"{spec.vpc}/{spec.subnet}", "id"),
            key=refs.output(key, "name") if key else "",
            user_data=UserData(spec.user_data or ""),
            watched=True if spec.stop_when_idle else None,
            encrypted=True,
            type=spec.instance_type,
            groups=known(outputs_of(refs, spec.security_groups, "id"), frozenset),
            profile=refs.output(profile, "name") if profile else "",
            elastic_ip=refs.output(fixed, "address") if fixed else "",
            disk_gib=spec.disk_gib,
            disk_type=spec.disk_type,
            imdsv2=True,
            stop_when_idle=spec.stop_when_idle or 0,
            user=spec.user,
            public=spec.public,
            held="",
            launch=launch,
        )

    def refreshed(self, state: InstanceState) -> InstanceState:
        return replace(state, image_id=self._image(state).id)

    def price(self, state: InstanceState, prices: Prices) -> Price:
        own_address = state.public and not state.elastic_ip
        disk = state.disk_gib or state.launch.disk_gib
        stops = state.stop_when_idle > 0
        return machines.server(prices, state.type, disk, state.disk_type, bool(state.spot), own_address, stops)

    def price_now(self, id: str, state: InstanceState, prices: Prices) -> float | None:
        """A stopped one has neither machine nor address, and keeps its disk."""
        stopped = self.read(id).outputs.get("state") == "stopped"
        price = self.price(replace(state, stop_when_idle=1 if stopped else 0), prices)
        return price.idle

    def rights(self, stack: str, specs: Mapping[str, InstanceSpec]) -> Iterable[Right]:
        """A server comes with a disk and an interface, which get the stack's tag too.  Images are everybody's."""
        yield from super().rights(stack, specs)
        yield allow("find", "ec2", "DescribeVolumes")
        if not specs:
            return
        parts = [arn(self.cloud, "ec2", f"{one}/*") for one in ("volume", "network-interface")]
        here = f"arn:{partition(self.cloud.region)}:%s:{self.cloud.region}:"
        yield allow("create", "ec2", "RunInstances", *parts, when=[made_for(stack)])
        yield allow("create", "ec2", "RunInstances", here % "ec2" + ":image/*")
        yield allow("create", "ec2", "DescribeImages")
        selectors = [str(spec.ami) for spec in specs.values()]
        names = [one for one in selectors if one.startswith("/") and not one.startswith("/aws/")]
        parameters = [arn(self.cloud, "ssm", f"parameter{one}") for one in names]
        if len(names) < len(selectors):
            parameters.append(here % "ssm" + ":parameter/aws/service/*")
        yield allow("create", "ssm", "GetParameter", *parameters)
        everything, fence = arn(self.cloud, "ec2", "*/*"), [equals(f"aws:ResourceTag/{STACK}", stack)]
        if any(spec.elastic_ip for spec in specs.values()):
            yield allow("update", "ec2", "AssociateAddress DisassociateAddress", everything, when=fence)
            yield allow("update", "ec2", "DescribeAddresses")
        if any(spec.role or spec.instance_profile for spec in specs.values()):
            yield pass_roles("create", self.cloud, stack, "ec2")
            yield pass_roles("update", self.cloud, stack, "ec2")
            associate = (
                "AssociateIamInstanceProfile DisassociateIamInstanceProfile ReplaceIamInstanceProfileAssociation"
            )
            yield allow("update", "ec2", associate, everything, when=fence)
            yield allow("update", "ec2", "DescribeIamInstanceProfileAssociations")
        if any(spec.spot for spec in specs.values()):
            linked = iam_arn(self.cloud, "role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot")
            only = equals("iam:AWSServiceName", "spot.amazonaws.com")
            yield allow("create", "iam", "CreateServiceLinkedRole", linked, when=[only])

    # -- what is there ----------------------------------------------------------------------------------------------

    def seen(self, entry: Mapping[str, Any], tags: Mapping[str, str]) -> Seen[InstanceState]:
        """``entry`` has its root volume as ``Disk``; None while EC2 does not show that."""
        status, disk = str(entry["State"]["Name"]), entry["Disk"]
        if status == "terminated":
            return ABSENT
        outputs = _outputs(entry, tags, status)
        phase = _PHASES.get(status, "ready")
        if disk is None:
            return Seen(None, "pending" if phase == "ready" else phase, "its disk does not show yet", outputs)
        interfaces: list[Any] = entry.get("NetworkInterfaces") or [{}]
        association = interfaces[0].get("Association", {})
        spot = entry.get("InstanceLifecycle") == "spot"
        state = InstanceState(
            ami=tags.get(AMI_TAG, entry["ImageId"]),
            image_id=entry["ImageId"],
            architecture=entry["Architecture"],
            spot=entry["InstanceType"] if spot else "",
            subnet_id=entry.get("SubnetId", ""),
            key=entry.get("KeyName", ""),
            user_data=UserData(fingerprint=tags.get(DATA_TAG, "")),
            watched=IDLE_TAG in tags,
            encrypted=disk["Encrypted"],
            type=entry["InstanceType"],
            groups=frozenset(group["GroupId"] for group in entry.get("SecurityGroups", [])),
            profile=entry.get("IamInstanceProfile", {}).get("Arn", "").rpartition("/")[2],
            elastic_ip=association.get("PublicIp", "") if association.get("IpOwnerId", "amazon") != "amazon" else "",
            disk_gib=disk["Size"],
            disk_type=disk["VolumeType"],
            imdsv2=entry.get("MetadataOptions", {}).get("HttpTokens") == "required",
            stop_when_idle=int(tags.get(IDLE_TAG, "0")),
            user=tags.get(USER_TAG, ""),
            public=tags[PUBLIC_TAG] == "true" if PUBLIC_TAG in tags else bool(entry.get("PublicIpAddress")),
            held=status if HELD_TAG in tags else "",
            launch=Launch(),
        )
        return Seen(state, phase, "" if status == "running" else status, outputs)

    def _list(self, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        """Instances, each with its root volume: two calls a page."""
        if "Filters" in arguments:
            arguments["PaginationConfig"] = {"PageSize": 100}  # filters take 200 values
        for page in self.cloud.read("ec2").get_paginator("describe_instances").paginate(**arguments):
            entries = [entry for reservation in page["Reservations"] for entry in reservation["Instances"]]
            roots = [_root(entry) for entry in entries]
            disks = self._disks([root for root in roots if root])
            yield from ({**entry, "Disk": disks.get(root)} for entry, root in zip(entries, roots, strict=True))

    def _disks(self, ids: list[str]) -> Mapping[str, Any]:
        if not ids:
            return {}
        wanted = [{"Name": "volume-id", "Values": ids}]  # those that are not there are no error then
        listed = self.cloud.read("ec2").describe_volumes(Filters=wanted)["Volumes"]
        return {one["VolumeId"]: one for one in listed}

    # -- making it so -----------------------------------------------------------------------------------------------

    def create(self, state: InstanceState, owner: Owner) -> str:
        """One call, which may be refused because an earlier one with the same token started from an older image: then
        that one's instance is there, or will show."""
        image = self._image(state)
        marks = {
            AMI_TAG: state.ami,
            DATA_TAG: state.user_data.fingerprint,
            KEY_TAG: state.launch.key_file,
            USER_TAG: state.user or image.user,
            IDLE_TAG: str(state.stop_when_idle or ""),
            PUBLIC_TAG: str(state.public).lower(),
        }
        try:
            answer = self.ec2.run_instances(
                ClientToken=owner.token,
                MinCount=1,
                MaxCount=1,
                **request(state, image),
                TagSpecifications=self.tagged(owner, **{key: value for key, value in marks.items() if value}),
            )
        except ClientError as error:
            if matches(error, {"IdempotentParameterMismatch"}) and (earlier := self._carrying(owner)):
                return earlier
            if matches(error, REFUSALS):
                raise refusal(error, self.cloud.region, state.type, bool(state.spot)) from error
            raise
        return str(answer["Instances"][0]["InstanceId"])

    def tagged(self, owner: Owner, **more: str) -> list[dict[str, Any]]:
        parts = pairs({"Name": owner.physical, STACK: owner.tags.get(STACK, "")})
        beside = [{"ResourceType": one, "Tags": parts} for one in ("volume", "network-interface")]
        return super().tagged(owner, **more) + beside

    def _carrying(self, owner: Owner) -> str:
        filters = [{"Name": f"tag:{NONCE}", "Values": [owner.tags[NONCE]]}] if NONCE in owner.tags else []
        return next((str(one["InstanceId"]) for one in self._list(Filters=filters)), "") if filters else ""

    def _image(self, state: InstanceState) -> Image:
        """What the selector stands for, the same for all of a command."""
        key = (state.image_id or state.ami, state.architecture)
        if key not in self._images:
            self._images[key] = ec2_image.resolve(self.cloud, *key)
        return self._images[key]

    def update(self, id: str, wanted: InstanceState, seen: InstanceState, changed: Collection[Change]) -> None:
        entry = next(self._list(InstanceIds=[id]))
        try:
            step(self.ec2, self.cloud.read("ec2"), entry, wanted, seen, {change.field for change in changed})
        except ClientError as error:
            if matches(error, REFUSALS):
                raise refusal(error, self.cloud.region, wanted.type, bool(wanted.spot), there=True) from error
            raise

    def delete(self, id: str, seen: Seen[InstanceState]) -> None:
        if seen.phase != "deleting":
            self.ec2.terminate_instances(InstanceIds=[id])


def _root(entry: Mapping[str, Any]) -> str:
    """The id of the root volume; empty while EC2 does not tell."""
    disks = {one["DeviceName"]: one.get("Ebs", {}).get("VolumeId", "") for one in entry.get("BlockDeviceMappings", [])}
    return str(disks.get(entry.get("RootDeviceName", ""), ""))


def _outputs(entry: Mapping[str, Any], tags: Mapping[str, str], status: str) -> dict[str, Any]:
    address, user, key = entry.get("PublicIpAddress", ""), tags.get(USER_TAG, ""), tags.get(KEY_TAG, "")
    option = f"-i '{key}' " if " " in key else f"-i {key} " if key else ""
    return {
        "id": entry["InstanceId"],
        "name": tags.get("Name", ""),
        "state": status,
        "public_ip": address,
        "public_dns": entry.get("PublicDnsName", "") if address else "",
        "private_ip": entry.get("PrivateIpAddress", ""),
        "user": user,
        "ssh": f"ssh {option}{user}@{address}" if address else "",
    }
