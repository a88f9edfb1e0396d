"""Security groups: who may talk to what, as a set of rules.

A group is held by network interfaces and by the rules of other groups that name it, so a delete first revokes the
group's own rules that name groups
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSecurityGroup.html).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from awsrun.aws.names import physical
from awsrun.aws.tags import mapping
from awsrun.resources.address import my_address
from awsrun.resources.ec2 import Ec2Kind
from awsrun.resources.holders import interfaces, named
from awsrun.resources.kind import REPLACE, Change, Owner, Refs, Seen, State
from awsrun.spec.references import RefTo, ResourceSpec

SELF = "self"
MY_ADDRESS = "my-address"
ANYWHERE = "anywhere"
ADDRESS_TAG = "awsrun:my-address"  # what my-address was when its rule was made
_ANY = "0.0.0.0/0"
# Begins ids, and never a name: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
IDS = "sg-"
TEXT = r"^[A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]+$"  # what EC2 takes in names and descriptions


class Rule(NamedTuple):
    """One permission.

    Attributes:
        protocol: ``tcp``, ``udp``, ``icmp``; ``-1`` for all.
        first, last: ports, both included; -1 for all.
        source: a CIDR, a group's id, ``self`` or ``my-address``.
    """

    protocol: str
    first: int
    last: int
    source: str


EVERYTHING = Rule("-1", -1, -1, _ANY)


class Ingress(BaseModel):
    """Traffic that is let in."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    port: int | str = Field(description='Port, range of ports ("8000-8010") or "all".')
    protocol: Literal["tcp", "udp", "icmp", "all"] = Field(default="tcp", description="Protocol.")
    source: str | None = Field(
        default=None,
        alias="from",
        description="CIDR (10.0.0.0/8), my-address (the caller's own, found when the rule is made), self (members of "
        "this group) or anywhere.",
    )
    from_group: Annotated[str, RefTo("security_group")] | None = Field(
        default=None, description="Another security group, instead of from."
    )

    @field_validator("port")
    @classmethod
    def _ports(cls, value: int | str) -> int | str:
        ports(value)
        return value

    @field_validator("source")
    @classmethod
    def _source(cls, value: str | None) -> str | None:
        if value in (None, SELF, MY_ADDRESS, ANYWHERE):
            return value
        try:
            return str(ip_network(str(value)))
        except ValueError as error:
            raise ValueError(f"{value!r} is neither my-address, self, anywhere nor a CIDR: {error}") from None

    @model_validator(mode="after")
    def _one_source(self) -> Ingress:
        if (self.source is None) == (self.from_group is None):
            raise ValueError("say where traffic comes from with one of from and from_group")
        return self


class SecurityGroupSpec(ResourceSpec):
    """A security group. What goes out is allowed; what comes in is what `ingress` lists."""

    outputs = ("id", "name")
    example = """
    network: {kind: vpc, cidr: 10.10.0.0/23, max_azs: 1}
    open: {kind: security_group, vpc: network, ingress: [{port: 22, from: my-address}, {port: 443, from: anywhere}]}
    """
    kind: Literal["security_group"] = "security_group"
    name: str | None = Field(
        default=None,
        max_length=255,
        pattern=TEXT,
        description="Physical name; derived from stack and key unless given.",
    )
    vpc: Annotated[str, RefTo("vpc")] = Field(description="The VPC that it belongs to.")
    description: str = Field(
        default="made by awsrun",
        max_length=255,
        pattern=TEXT,
        description="What it is for.",
    )
    ingress: list[Ingress] = Field(default=[], max_length=60, description="What is let in; nothing unless given.")

    @field_validator("name")
    @classmethod
    def _not_an_id(cls, value: str | None) -> str | None:
        if value is not None and value.startswith(IDS):
            raise ValueError(f"{value}: a security group's name does not begin with {IDS}, as its id does")
        return value


@dataclass(frozen=True)
class SecurityGroupState(State):
    vpc_id: Annotated[str, REPLACE]
    description: Annotated[str, REPLACE]
    ingress: frozenset[Rule]
    egress: frozenset[Rule]


class SecurityGroup(Ec2Kind[SecurityGroupSpec, SecurityGroupState]):
    kind = "security_group"
    Spec = SecurityGroupSpec
    State = SecurityGroupState
    identity = "tags"
    hashed = True
    name_limit = 255
    absent = frozenset({"InvalidGroup.NotFound", "InvalidGroupId.NotFound"})
    exists = frozenset({"InvalidGroup.Duplicate"})
    # InvalidPermission.*: the rule came or went meanwhile, which the next read shows.
    retry = frozenset(
        {"InvalidVpcID.NotFound", "InvalidVpcId.NotFound", "InvalidPermission.Duplicate", "InvalidPermission.NotFound"}
    )
    blocked = frozenset({"DependencyViolation", "InvalidGroup.InUse"})

    lists = ("describe_security_groups", "SecurityGroups")
    id_key = "GroupId"
    type_name = "security-group"
    actions: ClassVar[Mapping[str, str]] = {
        "create": "CreateSecurityGroup",
        "update": "AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress "
        "RevokeSecurityGroupEgress RevokeSecurityGroupIngress",
        "delete": "RevokeSecurityGroupEgress RevokeSecurityGroupIngress DeleteSecurityGroup",
    }
    holders = "DescribeNetworkInterfaces"

    def lower(self, spec: SecurityGroupSpec, refs: Refs) -> SecurityGroupState:
        ingress = frozenset(self._rule(rule, refs) for rule in spec.ingress)
        return SecurityGroupState(refs.output(spec.vpc, "id"), spec.description, ingress, frozenset({EVERYTHING}))

    def physical(self, stack: str, name: str, spec: SecurityGroupSpec, state: SecurityGroupState | None = None) -> str:
        derived = super().physical(stack, name, spec, state)
        return physical("awsrun", derived, self.name_limit) if derived.startswith(IDS) else derived

    def _rule(self, rule: Ingress, refs: Refs) -> Rule:
        protocol = "-1" if rule.protocol == "all" else rule.protocol
        whole = (0, 65535) if protocol in ("tcp", "udp") else (-1, -1)
        first, last = whole if protocol == "-1" else ports(rule.port, whole)
        source: Any = refs.output(rule.from_group, "id") if rule.from_group else rule.source
        return Rule(protocol, first, last, _ANY if source == ANYWHERE else source)

    def seen(self, entry: Mapping[str, Any], tags: Mapping[str, str]) -> Seen[SecurityGroupState]:
        own, address = entry["GroupId"], tags.get(ADDRESS_TAG)

        def named(rule: Rule) -> Rule:
            return rule._replace(source={own: SELF, address: MY_ADDRESS}.get(rule.source, rule.source))

        ingress = frozenset(named(rule) for rule in _rules(entry.get("IpPermissions", [])))
        egress = frozenset(named(rule) for rule in _rules(entry.get("IpPermissionsEgress", [])))
        state = SecurityGroupState(entry["VpcId"], entry["Description"], ingress, egress)
        return Seen(state, "ready", outputs={"id": own, "name": entry["GroupName"]})

    def create(self, state: SecurityGroupState, owner: Owner) -> str:
        answer = self.ec2.create_security_group(
            GroupName=owner.physical,
            Description=state.description,
            VpcId=state.vpc_id,
            TagSpecifications=self.tagged(owner),
        )
        return str(answer["GroupId"])

    def update(
        self, id: str, wanted: SecurityGroupState, seen: SecurityGroupState, changed: Collection[Change]
    ) -> None:
        address = ""
        if any(rule.source == MY_ADDRESS for rule in wanted.ingress - seen.ingress):
            address = my_address(self.cloud)
            self.tag(id, {ADDRESS_TAG: address}, ())
        if added := wanted.ingress - seen.ingress:
            self.ec2.authorize_security_group_ingress(GroupId=id, IpPermissions=_permissions(added, id, address))
        if added := wanted.egress - seen.egress:
            self.ec2.authorize_security_group_egress(GroupId=id, IpPermissions=_permissions(added, id, address))
        self._revoke(id, seen.ingress - wanted.ingress, seen.egress - wanted.egress)

    def delete(self, id: str, seen: Seen[SecurityGroupState]) -> None:
        """Revokes rules that name groups first, so that two groups that name each other can both go."""
        if seen.state is not None:
            self._revoke(id, _naming_groups(seen.state.ingress), _naming_groups(seen.state.egress))
        self.ec2.delete_security_group(GroupId=id)

    def follow_me(self, id: str) -> str:
        """Move the rules for the caller's own address, as it was when they were made, to what it is now; the address
        as a CIDR, or an empty string where the group has no such rule.

        Cut short, it can be called again, or leaves a rule too many, which the next apply revokes.
        """
        entry = next(self._list(GroupIds=[id]))
        tags = mapping(entry.get("Tags"))
        seen = self.seen(entry, tags).state
        mine = [rule for rule in seen.ingress if rule.source == MY_ADDRESS] if seen is not None else []
        if not mine:
            return ""
        address, recorded = my_address(self.cloud), tags[ADDRESS_TAG]
        if address == recorded:
            return address
        there = {rule._replace(source=MY_ADDRESS) for rule in _rules(entry["IpPermissions"]) if rule.source == address}
        if wanting := set(mine) - there:
            self.ec2.authorize_security_group_ingress(GroupId=id, IpPermissions=_permissions(wanting, id, address))
        self.tag(id, {ADDRESS_TAG: address}, ())
        self.ec2.revoke_security_group_ingress(GroupId=id, IpPermissions=_permissions(mine, id, recorded))
        return address

    def holder(self, id: str, seen: Seen[SecurityGroupState]) -> str:
        """An interface, or the rule of another group: only rules of its own are revoked before its deletion."""
        if held := named(interfaces(self.cloud, "group-id", id)):
            return held
        for filter in ("ip-permission.group-id", "egress.ip-permission.group-id"):
            groups = {one["GroupId"] for one in self._list(Filters=[{"Name": filter, "Values": [id]}])} - {id}
            if groups:
                return f"a rule of {', '.join(sorted(groups))}; it lets go when that is revoked"
        return ""

    def _revoke(self, id: str, ingress: Collection[Rule], egress: Collection[Rule]) -> None:
        address = ""
        if any(rule.source == MY_ADDRESS for rule in ingress):
            address = self._recorded(id)
        if ingress:
            self.ec2.revoke_security_group_ingress(GroupId=id, IpPermissions=_permissions(ingress, id, address))
        if egress:
            self.ec2.revoke_security_group_egress(GroupId=id, IpPermissions=_permissions(egress, id, address))

    def _recorded(self, id: str) -> str:
        entry = next(self._list(GroupIds=[id]))
        return mapping(entry["Tags"])[ADDRESS_TAG]


def ports(value: int | str, all_of: tuple[int, int] = (0, 65535)) -> tuple[int, int]:
    """``22``, ``"8000-8010"`` or ``"all"`` as (first, last).

    Raises:
        ValueError: not a port between 0 and 65535, nor a rising range of them.
    """
    if value == "all":
        return all_of
    first, _, last = str(value).partition("-")
    if first.isdigit() and (last or first).isdigit() and int(first) <= int(last or first) <= 65535:
        return int(first), int(last or first)
    raise ValueError(f'{value!r} is neither a port (0 to 65535), a range ("8000-8010") nor "all"')


def _rules(permissions: Iterable[Mapping[str, Any]]) -> Iterator[Rule]:
    for one in permissions:
        sources = [range["CidrIp"] for range in one.get("IpRanges", [])]
        sources += [range["CidrIpv6"] for range in one.get("Ipv6Ranges", [])]
        sources += [pair["GroupId"] for pair in one.get("UserIdGroupPairs", [])]
        sources += [prefix["PrefixListId"] for prefix in one.get("PrefixListIds", [])]
        for source in sources:
            yield Rule(one["IpProtocol"], one.get("FromPort", -1), one.get("ToPort", -1), source)


def _permissions(rules: Iterable[Rule], own: str, address: str) -> list[dict[str, Any]]:
    return [_permission(rule, {SELF: own, MY_ADDRESS: address}.get(rule.source, rule.source)) for rule in sorted(rules)]


def _permission(rule: Rule, source: str) -> dict[str, Any]:
    permission: dict[str, Any] = {"IpProtocol": rule.protocol}
    if rule.protocol != "-1":
        permission |= {"FromPort": rule.first, "ToPort": rule.last}
    if source.startswith("sg-"):
        return permission | {"UserIdGroupPairs": [{"GroupId": source}]}
    if source.startswith("pl-"):
        return permission | {"PrefixListIds": [{"PrefixListId": source}]}
    if ":" in source:
        return permission | {"Ipv6Ranges": [{"CidrIpv6": source}]}
    return permission | {"IpRanges": [{"CidrIp": source}]}


def _naming_groups(rules: Iterable[Rule]) -> list[Rule]:
    return [rule for rule in rules if rule.source == SELF or rule.source.startswith("sg-")]
