"""IAM as hard as it is: what was just made is not known everywhere, and services lag behind IAM itself.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_general.html ("changes that I make are not always
immediately visible": eventual consistency); https://github.com/hashicorp/terraform-provider-aws/pull/12436 and
https://github.com/hashicorp/terraform-provider-aws/issues/8905 (a principal made a moment ago is an "Invalid principal
in policy" for up to half a minute); https://github.com/aws/chalice/pull/172 (services may take more than 15 and up to
30 s to assume a new role); https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html (the inline
policies of a role have 10,240 characters, white space not counted).  DeleteConflict
(https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html) is what moto says by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.errors import refusal
from awsrun.local.strict.ledger import Key, Ledger
from awsrun.local.strict.rules import ACCOUNT, Rules, backend
from awsrun.local.strict.xml_lists import without

KNOWN, LISTED = 3.0, 10.0  # seconds until Get, Put and Attach find what was made, and lists show it; at most
SPREAD = 30.0  # seconds until the last service knows it
GRANTED = 40.0  # seconds until KMS lets it use a key
INLINE = 10_240  # characters of a role's inline policies

_FIELDS = {"RoleName": "role", "InstanceProfileName": "instance-profile"}
_MADE = {"CreateRole": "RoleName", "CreateInstanceProfile": "InstanceProfileName"}
_MISSING = {
    "role": "The role with name {} cannot be found.",
    "instance-profile": "Instance Profile {} cannot be found.",
}
_LISTS = {
    "ListRoles": ("Roles", "RoleName"),
    "ListInstanceProfiles": ("InstanceProfiles", "InstanceProfileName"),
}
_TRUSTS = {"CreateRole": "AssumeRolePolicyDocument", "UpdateAssumeRolePolicy": "PolicyDocument"}


class IamRules(Rules):
    service = "iam"

    def before(self, call: Call, inner: Perform) -> Reply | None:
        if call.action not in _MADE:
            for field, resource in _FIELDS.items():
                name = call.form.get(field, "")
                if name and self.ledger.unknown(iam_key(resource, name)):
                    return refusal(call, "NoSuchEntity", _MISSING[resource].format(name), 404)
        if call.action in _TRUSTS:
            for arn in _principals(call.form.get(_TRUSTS[call.action], "")):
                if not self._principal(arn):
                    said = f'Invalid principal in policy: "AWS":"{arn}"'
                    return refusal(call, "MalformedPolicyDocument", said)
        if call.action == "PutRolePolicy" and _inline(call) > INLINE:
            said = f"Maximum policy size of {INLINE} bytes exceeded for role {call.form['RoleName']}"
            return refusal(call, "LimitExceeded", said, 409)
        return None

    def after(self, call: Call, reply: Reply) -> Reply:
        if reply.status >= 400:
            return reply
        if field := _MADE.get(call.action):
            key = iam_key(_FIELDS[field], call.form[field])
            self.ledger.made(key, KNOWN, LISTED)
            self.ledger.enter((*key, "spreads"), "spreads", self.ledger.lag(key, SPREAD))
            self.ledger.enter((*key, "keys"), "keys", self.ledger.lag((*key, "keys"), GRANTED))
        if call.action in _LISTS:
            part, field = _LISTS[call.action]
            return without(reply, part, field, self._unlisted(_FIELDS[field]))
        return reply

    def _unlisted(self, resource: str) -> list[str]:
        names = self.ledger.unlisted_of("iam", "aws")
        return [name for name in names if self.ledger.unlisted(iam_key(resource, name))]

    def _principal(self, arn: str) -> bool:
        """Whether a trust policy may name ``arn``.  Those of other accounts are taken as they are."""
        _, _, rest = arn.partition(f":iam::{ACCOUNT}:")
        resource, _, name = rest.partition("/")
        if resource not in ("role", "user"):
            return True
        name = name.rpartition("/")[2]
        found = backend("iam", "aws").roles.values() if resource == "role" else backend("iam", "aws").users.values()
        return any(one.name == name for one in found) and known_to_services(self.ledger, resource, name)


def iam_key(resource: str, name: str) -> Key:
    """What the ledger knows a ``role`` or an ``instance-profile`` by."""
    return ("iam", "aws", resource, name)


def known_to_services(ledger: Ledger, resource: str, name: str) -> bool:
    """Whether EC2, Lambda and the others know a role or an instance profile by now, if it is there at all.

    Args:
        name: its name or its ARN.
    """
    return not ledger.phase((*iam_key(resource, name.rpartition("/")[2]), "spreads"))


def known_to_kms(ledger: Ledger, name: str) -> bool:
    """Whether KMS knows a role by now.

    Args:
        name: its name or its ARN.
    """
    return not ledger.phase((*iam_key("role", name.rpartition("/")[2]), "keys"))


def _inline(call: Call) -> int:
    """Characters of all inline policies of a role, were the call carried out."""
    roles, texts = backend("iam", "aws").roles.values(), dict[str, str]()
    for role in (one for one in roles if one.name == call.form.get("RoleName")):
        texts |= role.policies
    texts[call.form.get("PolicyName", "")] = call.form.get("PolicyDocument", "")
    return sum(len("".join(str(text).split())) for text in texts.values())


def _principals(policy: str) -> Iterator[str]:
    """The AWS principals that a policy names."""
    try:
        found: Any = json.loads(policy)
        statements = found.get("Statement", [])
    except (ValueError, AttributeError):
        return
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal", {})
        named = principal.get("AWS", []) if isinstance(principal, dict) else []
        yield from [named] if isinstance(named, str) else named
