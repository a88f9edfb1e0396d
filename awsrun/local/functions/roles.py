"""Whom a function acts as, and who may run it.  All methods are called with the world's lock held.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html,
https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from awsrun.local import clock
from awsrun.local.functions.definition import ACCOUNT, Definition, Target
from awsrun.local.functions.errors import Refused
from awsrun.local.iam import principals, trust
from awsrun.local.iam.context import Context
from awsrun.local.iam.directory import Directory
from awsrun.local.iam.errors import PolicyError
from awsrun.local.iam.layer import Enforcement
from awsrun.local.iam.sessions import Session, Sessions
from awsrun.local.work.environment import ROOT

SERVICE = "lambda.amazonaws.com"
LIFETIME = 12 * 3600.0  # seconds; environments end earlier
INVOKE = "lambda:InvokeFunction"


class Roles:
    """Roles of functions.

    Args:
        strict: policies of functions count for other services although IAM is not enforced.
    """

    def __init__(self, enforcement: Enforcement, sessions: Sessions, strict: bool) -> None:
        self._enforcement, self._sessions, self._strict = enforcement, sessions, strict
        self._directory = Directory()

    def credentials(self, definition: Definition) -> Mapping[str, str]:
        """Variables with the credentials of a new environment; without enforcement they may do everything.

        Raises:
            Refused: Lambda cannot assume the role.
        """
        if not self._enforcement.enforced:
            return ROOT
        found = principals.role(self._directory, definition.role.rpartition("/")[2])
        if found is None or found.arn != definition.role or not _trusted(found):
            said = "The role defined for the function cannot be assumed by Lambda."
            raise Refused("AccessDeniedException", said, 403)
        made = self._sessions.open(Session(definition.role, definition.name, clock.now() + LIFETIME))
        return {
            "AWS_ACCESS_KEY": made.key,
            "AWS_ACCESS_KEY_ID": made.key,
            "AWS_SECRET_ACCESS_KEY": made.secret,
            "AWS_SESSION_TOKEN": made.token,
        }

    def check_caller(self, definition: Definition, target: Target, service: str, source_arn: str) -> None:
        """Let a service run a function that allows it.

        Raises:
            Refused: its policy does not.
        """
        if not self._enforcement.enforced and not self._strict:
            return
        resource = definition.arn + (f":{target.qualifier}" if target.qualifier else "")
        keys = {"aws:SourceAccount": (ACCOUNT,), "aws:SourceArn": (source_arn,) if source_arn else ()}
        try:
            document = self._directory.function_policy(resource)
            if trust.serves(document, service, INVOKE, resource, Context(keys)):
                return
        except PolicyError:
            pass  # a policy that cannot be read allows nothing
        said = f"User: {service} is not authorized to perform: {INVOKE} on resource: {resource}"
        why = f"because no resource-based policy allows the {INVOKE} action"
        raise Refused("AccessDeniedException", f"{said} {why}", 403)

    def may(self, role: str, region: str, action: str, resource: str) -> bool:
        """Whether a function's role has a right."""
        return self._enforcement.role_may(role, region, action, resource)


def _trusted(role: Any) -> bool:
    try:
        return trust.trusts(str(role.assume_role_policy_document), SERVICE)
    except PolicyError:
        return False
