"""Instance profiles: what hands a role to EC2 instances."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from botocore.exceptions import ClientError
from pydantic import Field

from awsrun.aws.errors import matches
from awsrun.aws.rights import Right, allow
from awsrun.aws.tags import NAME, mapping, pairs
from awsrun.resources.iam_role import GONE, NAME_PATTERN, elsewhere, path, regional
from awsrun.resources.kind import ABSENT, Change, Found, Kind, Owner, Refs, Seen, State
from awsrun.resources.ours import ours, unless_denied
from awsrun.resources.rights import iam_arn, pass_roles, pathless
from awsrun.spec.references import RefTo, ResourceSpec


class InstanceProfileSpec(ResourceSpec):
    """An instance profile, for instances that need a role of their own."""

    outputs = ("arn", "name")
    example = """
    results: {kind: s3.bucket}
    may: {kind: iam.role, service: ec2, read_write: [results]}
    profile: {kind: iam.instance_profile, role: may}
    """
    kind: Literal["iam.instance_profile"] = "iam.instance_profile"
    name: str | None = Field(default=None, max_length=128, pattern=NAME_PATTERN, description="Physical name.")
    role: Annotated[str, RefTo("iam.role")] = Field(description="The role that instances get (service: ec2).")


@dataclass(frozen=True)
class InstanceProfileState(State):
    """``role``: its name; empty for none."""

    role: str


class InstanceProfile(Kind[InstanceProfileSpec, InstanceProfileState]):
    kind = "iam.instance_profile"
    Spec = InstanceProfileSpec
    State = InstanceProfileState
    identity = "name"
    service = "iam"
    absent = GONE
    exists = frozenset({"EntityAlreadyExists", "EntityAlreadyExistsException"})
    retry = frozenset({"ConcurrentModification"})
    blocked = frozenset({"DeleteConflict"})

    def lower(self, spec: InstanceProfileSpec, refs: Refs) -> InstanceProfileState:
        return InstanceProfileState(refs.output(spec.role, "name"))

    def physical(
        self, stack: str, name: str, spec: InstanceProfileSpec, state: InstanceProfileState | None = None
    ) -> str:
        return spec.name or regional(stack, name, self.cloud.region, self.name_limit)

    def rights(self, stack: str, specs: Mapping[str, InstanceProfileSpec]) -> Iterable[Right]:
        """Putting a role into a profile passes it to EC2
        (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_switch-role-ec2_instance-profiles.html)."""
        profiles = iam_arn(self.cloud, f"instance-profile{path(self.cloud.region, stack)}*")
        yield allow("find", "iam", "ListInstanceProfiles")
        yield allow("find", "iam", "GetInstanceProfile", profiles)
        yield allow("read", "iam", "GetInstanceProfile", *pathless(self.cloud, "instance-profile", stack, specs))
        yield allow("create", "iam", "CreateInstanceProfile TagInstanceProfile", profiles)
        yield allow("update", "iam", "AddRoleToInstanceProfile RemoveRoleFromInstanceProfile", profiles)
        yield pass_roles("update", self.cloud, stack, "ec2")
        yield allow("tag", "iam", "TagInstanceProfile UntagInstanceProfile", profiles)
        yield allow("delete", "iam", "RemoveRoleFromInstanceProfile DeleteInstanceProfile", profiles)

    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        """Lists leave the tags out, so each profile below the path is read.  (moto lists those of all paths.)"""
        prefix = path(self.cloud.region, stack)
        pages = self._iam.get_paginator("list_instance_profiles").paginate(PathPrefix=prefix)
        profiles = [profile for page in pages for profile in page["InstanceProfiles"]]
        names = [one["InstanceProfileName"] for one in profiles if one["Path"].startswith(prefix)]
        looks = self.cloud.together(*(partial(unless_denied, stack, self._look, name) for name in names))
        nothing: tuple[dict[str, str], Seen[InstanceProfileState]] = ({}, ABSENT)
        for name, look in zip(names, looks, strict=True):
            tags, seen = look or nothing
            if ours(tags, stack):
                yield Found(tags[NAME], name, tags, seen)

    def read(self, id: str) -> Seen[InstanceProfileState]:
        return self._look(id)[1]

    def create(self, state: InstanceProfileState, owner: Owner) -> str:
        self.cloud.write("iam").create_instance_profile(
            InstanceProfileName=owner.physical,
            Path=path(self.cloud.region, owner.stack),
            Tags=pairs(dict(owner.tags)),
        )
        return owner.physical

    def born(self, state: InstanceProfileState) -> InstanceProfileState:
        return InstanceProfileState("")

    def update(
        self, id: str, wanted: InstanceProfileState, seen: InstanceProfileState, changed: Collection[Change]
    ) -> None:
        """A profile holds one role: the old one leaves first."""
        if seen.role:
            self.cloud.write("iam").remove_role_from_instance_profile(InstanceProfileName=id, RoleName=seen.role)
        self.cloud.write("iam").add_role_to_instance_profile(InstanceProfileName=id, RoleName=wanted.role)

    def tag(self, id: str, set: Mapping[str, str], unset: Collection[str]) -> None:
        if set:
            self.cloud.write("iam").tag_instance_profile(InstanceProfileName=id, Tags=pairs(dict(set)))
        if unset:
            self.cloud.write("iam").untag_instance_profile(InstanceProfileName=id, TagKeys=sorted(unset))

    def unfit(self, id: str, stack: str) -> str:
        profile = self._iam.get_instance_profile(InstanceProfileName=id)["InstanceProfile"]
        return elsewhere(profile["Path"], self.cloud.region, stack)

    def delete(self, id: str, seen: Seen[InstanceProfileState]) -> None:
        if seen.state is not None and seen.state.role:
            self.cloud.write("iam").remove_role_from_instance_profile(InstanceProfileName=id, RoleName=seen.state.role)
        self.cloud.write("iam").delete_instance_profile(InstanceProfileName=id)

    @property
    def _iam(self) -> Any:
        return self.cloud.read("iam")

    def _look(self, name: str) -> tuple[dict[str, str], Seen[InstanceProfileState]]:
        try:
            profile = self._iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
        except ClientError as error:
            if matches(error, GONE):
                return {}, ABSENT
            raise
        roles = [role["RoleName"] for role in profile["Roles"]]
        state = InstanceProfileState(roles[0] if roles else "")
        return mapping(profile.get("Tags")), Seen(state, "ready", outputs={"name": name, "arn": profile["Arn"]})
