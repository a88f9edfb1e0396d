"""IAM roles: who may assume them, managed policies, and one inline policy made from grants by reference.

Roles are global and the tagging API does not list them, so they are found by their path ``/awsrun/REGION/STACK/``
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from botocore.exceptions import ClientError
from pydantic import Field, field_validator

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError, matches
from awsrun.aws.names import physical, runs_table
from awsrun.aws.rights import Condition, Right, allow, equals
from awsrun.aws.tags import NAME, mapping, pairs
from awsrun.resources import policies
from awsrun.resources.kind import ABSENT, Change, Found, Kind, Owner, Refs, Seen, State
from awsrun.resources.ours import arn, ours, partition, unless_denied
from awsrun.resources.rights import iam_arn, pathless
from awsrun.spec.references import RefTo, ResourceSpec

INLINE = "awsrun"  # the one inline policy of each role: a fixed name costs no list call
NAME_PATTERN = r"^[A-Za-z0-9_+=,.@-]+$"
GONE = frozenset({"NoSuchEntity", "NoSuchEntityException"})
Grant = Annotated[str, RefTo("s3.bucket", "dynamodb.table", "ecr.repository", "ssm.parameter", edge=False)]
ToQueue = Annotated[str, RefTo("sqs.queue", edge=False)]
ToFunction = Annotated[str, RefTo("lambda.function", edge=False)]
ToTask = Annotated[str, RefTo("ecs.task_definition", edge=False)]


def path(region: str, stack: str | None) -> str:
    """The IAM path below which a stack's roles and profiles lie (None: those of all stacks of the region)."""
    return f"/awsrun/{region}/{stack}/" if stack else f"/awsrun/{region}/"


def elsewhere(there: str, region: str, stack: str) -> str:
    """Why what has the path ``there`` is not found among a stack's; empty where it is."""
    wanted = path(region, stack)
    return "" if there == wanted else f"its path is {there}, which AWS cannot change, and it is looked for in {wanted}"


def role_arn(cloud: Cloud, stack: str, physical: str) -> str:
    """The ARN of a stack's role with this physical name."""
    return iam_arn(cloud, f"role{path(cloud.region, stack)}{physical}")


def regional(stack: str, name: str, region: str, limit: int) -> str:
    """A physical name with the region in it: IAM's names are unique in the account, stacks only in a region."""
    return physical(stack, name, limit, region)


class RoleSpec(ResourceSpec):
    """An IAM role with the rights that its references name, and no others."""

    outputs = ("arn", "name")
    example = """
    results: {kind: s3.bucket}
    people: {kind: dynamodb.table, hash_key: id}
    worker: {kind: iam.role, service: ecs-tasks, read: [people], read_write: [results]}
    """
    kind: Literal["iam.role"] = "iam.role"
    name: str | None = Field(default=None, max_length=64, pattern=NAME_PATTERN, description="Physical name.")
    service: str | list[str] = Field(description="AWS service that may assume it: ecs-tasks, ec2, lambda; or a list.")
    read: list[Grant] = Field(
        default=[], description="Buckets, tables, repositories, parameters whose contents it may read."
    )
    read_write: list[Grant] = Field(
        default=[], description="Buckets, tables, repositories, parameters it may read and change."
    )
    send: list[ToQueue] = Field(default=[], description="Queues it may send messages to.")
    consume: list[ToQueue] = Field(default=[], description="Queues it may take messages from.")
    invoke: list[ToFunction] = Field(default=[], description="Functions it may invoke.")
    log: list[Annotated[str, RefTo("logs.group", "lambda.function", edge=False)]] = Field(
        default=[], description="Log groups it may write to; of a function, the one that is made with it."
    )
    in_vpc: list[ToFunction] = Field(default=[], description="Functions that it lets Lambda put into a VPC.")
    run: list[ToTask] = Field(
        default=[],
        description="Task definitions it may run tasks of; a worker that may run its own starts another one in the "
        "place of one that was lost.",
    )
    jobs: bool = Field(default=False, description="It may do what a job's worker does to the stack's runs table.")
    managed_policies: list[str] = Field(
        default=[], max_length=10, description="AWS managed policies by name (AmazonS3ReadOnlyAccess), or any by ARN."
    )

    @property
    def services(self) -> list[str]:
        """The services that may assume it."""
        return [self.service] if isinstance(self.service, str) else self.service

    @field_validator("service")
    @classmethod
    def _short(cls, value: str | list[str]) -> str | list[str]:
        for service in [value] if isinstance(value, str) else value:
            if "amazonaws" in service or not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)?", service):
                raise ValueError(f"write a service by its short name (ecs-tasks, ec2, lambda), not {service!r}")
        if not value:
            raise ValueError("a role that nobody may assume is of no use: name a service")
        return value


@dataclass(frozen=True)
class RoleState(State):
    """``trust`` and ``policy`` are canonical JSON (``policy`` empty for none), ``managed`` and ``boundary`` are ARNs
    (``boundary`` empty for none; not managed where the context has none)."""

    trust: str
    policy: str
    managed: frozenset[str]
    boundary: str | None = None


class Role(Kind[RoleSpec, RoleState]):
    kind = "iam.role"
    Spec = RoleSpec
    State = RoleState
    identity = "name"
    service = "iam"
    name_limit = 64
    absent = GONE
    exists = frozenset({"EntityAlreadyExists", "EntityAlreadyExistsException"})
    retry = frozenset({"ConcurrentModification"})
    # Services are known everywhere: a principal that IAM calls invalid is not one that was just made.
    advice: ClassVar[Mapping[str, str]] = {
        "MalformedPolicyDocument": "if it is the principal: write the service by the name that AWS has for it "
        "(ecs-tasks, ec2, lambda, batch)"
    }
    # DeleteRole: "you must delete the role's policies, and remove it from instance profiles, first".
    blocked = frozenset({"DeleteConflict"})

    def lower(self, spec: RoleSpec, refs: Refs) -> RoleState:
        statements: list[policies.Statement] = []
        for access, name in self._grants(spec, refs):
            statements += policies.grant(refs.spec(name).kind, refs.arn(name), access)
        for name in spec.in_vpc:
            statements += policies.in_vpc(refs.arn(name))
        for name in spec.run:
            roles = (self._arn_of(role, refs) for role in _passed(refs, name))
            statements += policies.run_tasks(refs.arn(name), *roles)
        if spec.jobs:
            statements += policies.runs(arn(self.cloud, "dynamodb", f"table/{runs_table(refs.stack)}"))
        managed = frozenset(self._policy_arn(name) for name in spec.managed_policies)
        policy = policies.policy(statements)
        if len(policy) > policies.MOST_INLINE:
            why = f"its policy has {len(policy):,} characters, and IAM takes {policies.MOST_INLINE:,}"
            hint = "split them among several roles, or put some into a policy of your own: managed_policies: [ARN]"
            raise AwsrunError(f"{refs.name} is given too many rights for one role", why, hint)
        return RoleState(policies.trust(spec.services), policy, managed, self.cloud.context.boundary)

    def _grants(self, spec: RoleSpec, refs: Refs) -> Iterator[tuple[policies.Access, str]]:
        """Kind of access and logical name; whatever may be changed need not be named as readable too."""
        yield from (("read", name) for name in spec.read if name not in spec.read_write)
        yield from (("read_write", name) for name in spec.read_write)
        yield from (("send", name) for name in spec.send)
        yield from (("consume", name) for name in spec.consume)
        yield from (("invoke", name) for name in spec.invoke)
        for name in spec.log:  # a function without a group of the spec has one of its own
            named = getattr(refs.spec(name), "log_group", name)
            yield "log", named or f"{name}/logs"

    def _arn_of(self, name: str, refs: Refs) -> str:
        """The ARN of another role of the stack."""
        spec = refs.spec(name)
        assert isinstance(spec, RoleSpec)  # the reference was checked
        return role_arn(self.cloud, refs.stack, self.physical(refs.stack, name, spec))

    def physical(self, stack: str, name: str, spec: RoleSpec, state: RoleState | None = None) -> str:
        return spec.name or regional(stack, name, self.cloud.region, self.name_limit)

    def rights(self, stack: str, specs: Mapping[str, RoleSpec]) -> Iterable[Right]:
        """On the roles below the stack's path; of managed policies those that the spec names may be attached.

        With a boundary, only roles that have it can be made, changed or widened: otherwise, whoever may write a role's
        policy may do, through that role, whatever the account allows
        (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html).
        """
        roles = iam_arn(self.cloud, f"role{path(self.cloud.region, stack)}*")
        reads = "GetRole GetRolePolicy ListAttachedRolePolicies"
        yield allow("find", "iam", "ListRoles")
        yield allow("find", "iam", reads, roles)
        yield allow("read", "iam", reads, *pathless(self.cloud, "role", stack, specs))
        boundary = self.cloud.context.boundary
        bounded = [equals("iam:PermissionsBoundary", boundary)] if boundary else []
        widening = "UpdateAssumeRolePolicy PutRolePolicy" + (" PutRolePermissionsBoundary" if boundary else "")
        yield allow("create", "iam", "CreateRole", roles, when=bounded)
        yield allow("create", "iam", "TagRole", roles)
        yield allow("update", "iam", widening, roles, when=bounded)
        yield allow("update", "iam", "DeleteRolePolicy DetachRolePolicy", roles)
        if managed := sorted({self._policy_arn(name) for spec in specs.values() for name in spec.managed_policies}):
            only: Condition = ("ArnEquals", "iam:PolicyARN", tuple(managed))
            yield allow("update", "iam", "AttachRolePolicy", roles, when=[only, *bounded])
        yield allow("tag", "iam", "TagRole UntagRole", roles)
        yield allow("delete", "iam", f"{reads} ListRolePolicies DetachRolePolicy DeleteRolePolicy DeleteRole", roles)

    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        pages = self._iam.get_paginator("list_roles").paginate(PathPrefix=path(self.cloud.region, stack))
        names = [role["RoleName"] for page in pages for role in page["Roles"]]
        looks = self.cloud.together(*(partial(unless_denied, stack, self._look, name) for name in names))
        nothing: tuple[dict[str, str], Seen[RoleState]] = ({}, ABSENT)
        for name, look in zip(names, looks, strict=True):
            tags, seen = look or nothing
            if ours(tags, stack):
                yield Found(tags[NAME], name, tags, seen)

    def read(self, id: str) -> Seen[RoleState]:
        return self._look(id)[1]

    def create(self, state: RoleState, owner: Owner) -> str:
        self.cloud.write("iam").create_role(
            RoleName=owner.physical,
            Path=path(self.cloud.region, owner.stack),
            AssumeRolePolicyDocument=state.trust,
            Description=f"awsrun: {owner.name} of stack {owner.stack}",
            Tags=pairs(dict(owner.tags)),
            **({"PermissionsBoundary": state.boundary} if state.boundary else {}),
        )
        return owner.physical

    def born(self, state: RoleState) -> RoleState:
        return replace(state, policy="", managed=frozenset())

    def update(self, id: str, wanted: RoleState, seen: RoleState, changed: Collection[Change]) -> None:
        iam, fields = self.cloud.write("iam"), {change.field for change in changed}
        if "boundary" in fields:  # first: who may widen a role may be bound to widen bounded ones only
            iam.put_role_permissions_boundary(RoleName=id, PermissionsBoundary=wanted.boundary)
        if "trust" in fields:
            iam.update_assume_role_policy(RoleName=id, PolicyDocument=wanted.trust)
        for policy_arn in sorted(wanted.managed - seen.managed):
            iam.attach_role_policy(RoleName=id, PolicyArn=policy_arn)
        for policy_arn in sorted(seen.managed - wanted.managed):
            iam.detach_role_policy(RoleName=id, PolicyArn=policy_arn)
        if "policy" in fields and wanted.policy:
            iam.put_role_policy(RoleName=id, PolicyName=INLINE, PolicyDocument=wanted.policy)
        elif "policy" in fields:
            iam.delete_role_policy(RoleName=id, PolicyName=INLINE)

    def tag(self, id: str, set: Mapping[str, str], unset: Collection[str]) -> None:
        if set:
            self.cloud.write("iam").tag_role(RoleName=id, Tags=pairs(dict(set)))
        if unset:
            self.cloud.write("iam").untag_role(RoleName=id, TagKeys=sorted(unset))

    def unfit(self, id: str, stack: str) -> str:
        return elsewhere(self._iam.get_role(RoleName=id)["Role"]["Path"], self.cloud.region, stack)

    def delete(self, id: str, seen: Seen[RoleState]) -> None:
        """Detaches what is attached, policies put there by hand included, then deletes."""
        iam = self.cloud.write("iam")
        for policy_arn in self._attached(id):
            iam.detach_role_policy(RoleName=id, PolicyArn=policy_arn)
        for page in self._iam.get_paginator("list_role_policies").paginate(RoleName=id):
            for name in page["PolicyNames"]:
                iam.delete_role_policy(RoleName=id, PolicyName=name)
        iam.delete_role(RoleName=id)

    @property
    def _iam(self) -> Any:
        return self.cloud.read("iam")

    def _look(self, name: str) -> tuple[dict[str, str], Seen[RoleState]]:
        try:
            role, managed, inline = self.cloud.together(
                lambda: self._iam.get_role(RoleName=name)["Role"],
                lambda: self._attached(name),
                lambda: self._inline(name),
            )
        except ClientError as error:
            if matches(error, GONE):
                return {}, ABSENT
            raise
        trust, boundary = role["AssumeRolePolicyDocument"], role.get("PermissionsBoundary", {})
        state = RoleState(
            policies.canonical(trust),
            inline,
            frozenset(managed),
            boundary.get("PermissionsBoundaryArn", ""),
        )
        return mapping(role.get("Tags")), Seen(state, "ready", outputs={"name": name, "arn": role["Arn"]})

    def _attached(self, name: str) -> list[str]:
        pages = self._iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
        return [attached["PolicyArn"] for page in pages for attached in page["AttachedPolicies"]]

    def _inline(self, name: str) -> str:
        try:
            return policies.canonical(self._iam.get_role_policy(RoleName=name, PolicyName=INLINE)["PolicyDocument"])
        except ClientError as error:
            if matches(error, GONE):
                return ""
            raise

    def _policy_arn(self, name: str) -> str:
        return name if name.startswith("arn:") else f"arn:{partition(self.cloud.region)}:iam::aws:policy/{name}"


def _passed(refs: Refs, definition: str) -> list[str]:
    """The roles of a task definition's tasks, which whoever runs one hands over; its execution role is made with it
    unless the spec has one."""
    spec = refs.spec(definition)
    roles = [getattr(spec, "role", None), getattr(spec, "execution_role", None) or f"{definition}/execution"]
    return [role for role in roles if role]
