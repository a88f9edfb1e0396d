"""Who calls: the account's root, an IAM user, or a session of a role; and what they may do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from awsrun.local import clock
from awsrun.local.calls import Call
from awsrun.local.iam.decision import Named, Rights
from awsrun.local.iam.directory import Directory
from awsrun.local.iam.errors import Refused
from awsrun.local.iam.policy import compiled
from awsrun.local.iam.request import ACCOUNT
from awsrun.local.iam.sessions import Sessions

ROOT_KEY = "local"
_KEY = re.compile(r"Credential=([^/,\s]+)/")


@dataclass(frozen=True)
class Principal:
    """A caller.

    Attributes:
        arn: as GetCallerIdentity and denials have it.
        user_id: as GetCallerIdentity has it.
        kind: ``Root``, ``User``, ``AssumedRole`` or ``Anonymous``.
        entity: ARN of the user or role whose policies count.
        name: of that user or role.
        session: the session policy of AssumeRole, as JSON.
    """

    arn: str
    user_id: str
    kind: str
    entity: str
    name: str = ""
    session: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def root(self) -> bool:
        return self.kind == "Root"

    def written(self) -> str:
        """What `read_again` makes the same principal of, with its policies as they are then."""
        return json.dumps([self.kind, self.name, self.arn.rpartition("/")[2], self.session])


ROOT = Principal(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, "Root", f"arn:aws:iam::{ACCOUNT}:root")
ANONYMOUS = Principal("anonymous", "anonymous", "Anonymous", "*")


def key_of(call: Call) -> str:
    """The access key id that a call is signed with, in the header or in a presigned URL; empty for none."""
    found = _KEY.search(call.environ.get("HTTP_AUTHORIZATION", ""))
    if found:
        return found.group(1)
    return unquote(call.query.get("X-Amz-Credential", [""])[0]).partition("/")[0]


def principal(call: Call, sessions: Sessions, directory: Directory) -> Principal:
    """Who makes ``call``.

    Raises:
        Refused: the key is not known, or its session is over.
    """
    key = key_of(call)
    if not key:
        return ANONYMOUS
    if key == ROOT_KEY:
        return ROOT
    token = call.environ.get("HTTP_X_AMZ_SECURITY_TOKEN") or call.query.get("X-Amz-Security-Token", [""])[0]
    if session := sessions.read(key, token):
        if session.expires <= clock.now():
            raise Refused("expired")
        return _session(directory, session.role, session.name, "")
    known = directory.backend("iam").access_keys.get(key)
    if known is None or known.status != "Active":
        raise Refused("unknown")
    if known.role_arn:
        return _assumed(directory, key, token)
    return user(directory, str(known.user_name))


def read_again(directory: Directory, written: str) -> Principal:
    """The principal of `Principal.written`.

    Raises:
        Refused: it is gone.
    """
    kind, name, session, policy = json.loads(written)
    if kind == "Root":
        return ROOT
    return user(directory, name) if kind == "User" else _session(directory, name, session, policy)


def user(directory: Directory, name: str) -> Principal:
    """An IAM user.

    Raises:
        Refused: there is no such user.
    """
    iam = directory.backend("iam")
    found = iam.users.get(name)
    if found is None:
        raise Refused("unknown")
    tags = {tag["Key"]: tag["Value"] for tag in iam.tagger.list_tags_for_resource(found.arn)["Tags"]}
    return Principal(found.arn, found.id, "User", found.arn, name, tags=tags)


def _assumed(directory: Directory, key: str, token: str) -> Principal:
    """A session that sts:AssumeRole made."""
    for role in reversed(directory.backend("sts").assumed_roles):
        if role.access_key_id == key and role.session_token == token:
            if role.expiration.timestamp() <= clock.now():
                raise Refused("expired")
            return _session(directory, role.role_arn, role.session_name, role.policy or "")
    raise Refused("unknown")


def role_itself(directory: Directory, name: str) -> Principal:
    """A role, as if it were used by nobody in particular.

    Raises:
        Refused: there is no such role.
    """
    return _session(directory, f"role/{name}", "", "")


def _session(directory: Directory, role_arn: str, session: str, policy: str) -> Principal:
    name = role_arn.rpartition("/")[2]
    found = role(directory, name)
    if found is None:
        raise Refused("unknown")  # the role is gone, and its sessions with it
    return Principal(
        arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}",
        user_id=f"{found.id}:{session}",
        kind="AssumedRole",
        entity=str(found.arn),
        name=name,
        session=policy,
        tags={tag["Key"]: tag["Value"] for tag in found.tags or ()},
    )


def role(directory: Directory, name: str) -> Any:
    """moto's record of a role; None where there is none."""
    return next((one for one in directory.backend("iam").roles.values() if one.name == name), None)


def rights(directory: Directory, who: Principal) -> Rights:
    """The policies of a user or role, as they are now; each text is compiled once.

    Raises:
        PolicyError: one of them cannot be evaluated.
    """
    iam = directory.backend("iam")
    holders: Iterable[tuple[str, Any]]
    boundary = None
    if who.kind == "User":
        of_groups = [group for group in iam.groups.values() if any(one.name == who.name for one in group.users)]
        holders = [("user", iam.users[who.name]), *(("group", group) for group in of_groups)]
    elif who.kind == "AssumedRole":
        found = role(directory, who.name)
        holders = [("role", found)]
        boundary = _boundary(iam, found.permissions_boundary_arn)
    else:
        holders = ()
    identity = tuple(named for kind, holder in holders for named in policies_of(kind, holder))
    return Rights(identity, boundary, Named("session", compiled(who.session)) if who.session else None)


def policies_of(kind: str, holder: Any) -> Iterable[Named]:
    """The inline and attached policies of one user, group or role."""
    for name, document in holder.policies.items():
        text = document if isinstance(document, str) else document["policy_document"]
        yield Named(f"{kind}_{holder.name}_{name}", compiled(text))
    for policy in holder.managed_policies.values():
        yield Named(policy.name, compiled(_default(policy)))


def _boundary(iam: Any, arn: str | None) -> Named | None:
    policy = iam.managed_policies.get(arn) if arn else None
    return Named(policy.name, compiled(_default(policy))) if policy is not None else None


def _default(policy: Any) -> str:
    """The document of a managed policy's default version."""
    return str(next(one.document for one in policy.versions if one.version_id == policy.default_version_id))
