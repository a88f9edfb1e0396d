"""The layer that lets a call through to the services, or does not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from functools import partial
from typing import Any

from awsrun.local import clock
from awsrun.local.batch.service import Batch
from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.ecs.service import Ecs
from awsrun.local.iam import answers, denials, hidden, principals, trust
from awsrun.local.iam.authorizations import authorizations
from awsrun.local.iam.context import Context, Given, Values
from awsrun.local.iam.decision import decide
from awsrun.local.iam.directory import Directory
from awsrun.local.iam.errors import PolicyError, Refused, Unlisted
from awsrun.local.iam.principals import Principal
from awsrun.local.iam.request import ACCOUNT, Authorization
from awsrun.local.iam.sessions import Sessions

_GLOBAL_SERVICES = frozenset({"iam", "pricing"})  # called in us-east-1 wherever the client is


class Enforcement:
    """Allows calls by IAM policies, once told to.  All methods are called with the world's lock held.

    What is replayed after a restart was allowed when it was made, so that `enforced` is set after that.
    """

    name = "iam"

    def __init__(self, batch: Batch, ecs: Ecs, sessions: Sessions) -> None:
        self.enforced = False
        self._directory = Directory(batch, ecs)
        self._sessions = sessions

    def around(self, call: Call, inner: Perform) -> Reply:
        """Refuse ``call``, answer it where it is about rights, or pass it on."""
        try:
            who = principals.principal(call, self._sessions, self._directory)
        except Refused as error:
            if self.enforced:
                return denials.credentials(call, error.kind)
            who = principals.ROOT  # any key will do
        limited = self.enforced and not who.root
        if limited and (refused := self._refused(call, who)) is not None:
            return refused
        reply = answers.answer(call, who, self._directory) or inner(call)
        return hidden.without(call, reply, partial(self.verdict, call.scope, who)) if limited else reply

    def state(self) -> Any:
        """Nothing is kept: policies, users and roles are moto's, job sessions are in their tokens."""
        return None

    def restore(self, state: Any) -> None:
        """Nothing was kept."""

    def _refused(self, call: Call, who: Principal) -> Reply | None:
        """The denial, or None for a call that ``who`` may make."""
        if who.kind == "Anonymous" and call.action:
            return denials.credentials(call, "missing")
        try:
            needed = authorizations(call, self._directory)
        except Unlisted as error:
            why = f"because the embedded cloud does not know which rights {error} takes, and denies it to all but root"
            return denials.denied(call, who.arn, str(error), "*", why)
        for authorization in needed:
            reason = self.verdict(call.scope, who, authorization)
            if reason:
                return denials.denied(call, who.arn, authorization.action, authorization.resource, reason)
        return None

    def caller(self, call: Call) -> str:
        """Who makes a call that was let through, for a password that acts for it later."""
        try:
            return principals.principal(call, self._sessions, self._directory).written()
        except Refused:
            return principals.ROOT.written()

    def objection(self, caller: str, region: str, action: str, resource: str) -> str:
        """Why ``caller`` may not do ``action``, as a sentence; empty where it may."""
        if not self.enforced:
            return ""
        try:
            who = principals.read_again(self._directory, caller)
        except Refused:
            return "the identity that this password was given to is gone"
        reason = "" if who.root else self.verdict(("ecr", region), who, Authorization(action, resource))
        return reason and denials.sentence(who.arn, action, resource, reason)

    def role_may(self, role: str, region: str, action: str, resource: str) -> bool:
        """Whether a role, given by its ARN, may do something for a service of the embedded cloud."""
        if not self.enforced:
            return True
        try:
            who = principals.role_itself(self._directory, role.rpartition("/")[2])
        except Refused:
            return False
        return not self.verdict((action.partition(":")[0], region), who, Authorization(action, resource))

    def public(self, bucket: str, key: str) -> bool:
        """Whether a bucket's policy lets everybody read an object, enforced or not, and Block Public Access does not
        keep that to the account (https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html)."""
        block = self._directory.backend("s3").buckets[bucket].public_access_block
        if block is not None and str(block.restrict_public_buckets).lower() == "true":
            return False
        needed = Authorization("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}")
        return not self.verdict(("s3", ""), principals.ANONYMOUS, needed)

    def verdict(self, scope: tuple[str, str], who: Principal, needed: Authorization) -> str:
        """Why ``who`` lacks a right, in AWS's words; empty where it has it.

        Args:
            scope: service and region that are called.
        """
        context = self._context(scope, who, needed)
        try:
            if needed.action == "sts:AssumeRole" and not self._trusted(who, needed.resource, context):
                return "because no resource-based policy allows the sts:AssumeRole action"
            said = trust.naming(self._resource_policy(needed), who)
            return decide(principals.rights(self._directory, who), needed.action, needed.resource, context, said).reason
        except PolicyError as error:
            return f"because a policy cannot be evaluated: {error}"

    def _trusted(self, who: Principal, role: str, context: Context) -> bool:
        found = principals.role(self._directory, role.rpartition("/")[2])
        return found is not None and trust.admits(found.assume_role_policy_document, who, context)

    def _resource_policy(self, needed: Authorization) -> str:
        """The policy of the resource itself, of those that have one here."""
        if needed.resource.startswith("arn:aws:s3:::"):
            return self._directory.bucket_policy(needed.resource.removeprefix("arn:aws:s3:::").partition("/")[0])
        if needed.action == "lambda:InvokeFunction":
            return self._directory.function_policy(needed.resource)
        if needed.action == "sts:AssumeRole":
            found = principals.role(self._directory, needed.resource.rpartition("/")[2])
            return str(found.assume_role_policy_document) if found is not None else ""
        return ""

    def _context(self, scope: tuple[str, str], who: Principal, needed: Authorization) -> Context:
        """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html"""
        tags: list[Mapping[str, str]] = []

        def resource_tag(key: str) -> Values:
            if not tags:
                tags.append(self._directory.tags(needed.resource))
            return (tags[0][key],) if key in tags[0] else ()

        def principal_tag(key: str) -> Values:
            return (who.tags[key],) if key in who.tags else ()

        service, region = scope
        keys: dict[str, Given] = {
            "aws:CurrentTime": lambda: (datetime.fromtimestamp(clock.now(), timezone.utc).isoformat(),),
            "aws:EpochTime": lambda: (str(int(clock.now())),),
            "aws:PrincipalAccount": () if who.kind == "Anonymous" else (ACCOUNT,),
            "aws:PrincipalArn": (who.entity,),
            "aws:PrincipalType": (who.kind,),
            "aws:RequestedRegion": ("us-east-1" if service in _GLOBAL_SERVICES else region,),
            "aws:ResourceAccount": (ACCOUNT,),
            "aws:SecureTransport": ("true",),  # as it would be at AWS
            "aws:SourceIp": ("127.0.0.1",),
            "aws:userid": (who.user_id,),
            "aws:username": (who.name,) if who.kind == "User" else (),
            **needed.context,
        }
        finders = {"aws:resourcetag/": resource_tag, "aws:principaltag/": principal_tag}
        if needed.action.startswith("ec2:"):
            finders["ec2:resourcetag/"] = resource_tag
        if needed.action.startswith("iam:"):
            finders["iam:resourcetag/"] = resource_tag
        return Context(keys, finders)
