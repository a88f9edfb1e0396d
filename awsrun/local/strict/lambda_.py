"""Lambda as hard as it is: functions are Pending first, change one thing at a time, want a role that they can assume.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html (Pending and InProgress, during which
invocations and changes fail with ResourceConflictException); https://github.com/aws/chalice/pull/172 (a new role
"cannot be assumed by Lambda" for up to 30 s); https://github.com/numeract/aws-lambda-r/issues/20 (a function that is
not found right after its creation);
https://github.com/elastic/beats/issues/13963 and https://github.com/webiny/webiny-js/issues/2580 (what its role must
allow for a dead-letter queue and for a VPC is asked for in the call that wants them);
https://github.com/hashicorp/terraform-provider-aws/issues/4633 and https://github.com/aws/chalice/pull/1069 (KMS, whose
key is for a function's variables, may know a new role later than Lambda does);
https://github.com/aws/serverless-application-model/issues/337 and
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html (a function's policy has 20 KB);
https://docs.aws.amazon.com/lambda/latest/api/API_TagResource.html (not while another operation goes on).
TooManyRequestsException is in `awsrun.local.strict.throttles`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.errors import refusal
from awsrun.local.strict.iam import known_to_kms, known_to_services
from awsrun.local.strict.lambda_interfaces import follow
from awsrun.local.strict.ledger import Ledger
from awsrun.local.strict.rules import ACCOUNT, Rules, backend, document, with_document

PENDING, PENDING_IN_VPC, UPDATING = 5.0, 60.0, 5.0  # seconds, at most
KNOWN, LISTED = 1.0, 5.0

_FUNCTIONS = re.compile(r"/[\d-]+/functions/?")
_FUNCTION = re.compile(r"/[\d-]+/functions/([^/]+)/?(\w*)")
_TAGS = re.compile(r"/[\d-]+/(tags)/(arn:.+)")
_NO_ROLE = "The role defined for the function cannot be assumed by Lambda."
_NO_GRANT = (
    "Lambda was unable to configure access to your environment variables because the KMS key is invalid for "
    "CreateGrant. Please check your KMS key settings. KMS Exception: InvalidArnException KMS Message: ARN does not "
    "refer to a valid principal"
)
LONGEST_POLICY = 20_480  # bytes


class LambdaRules(Rules):
    """Args: may: whether a role, by its ARN, may do an action in a region on a resource."""

    service = "lambda"

    def __init__(self, ledger: Ledger, may: Callable[[str, str, str, str], bool]) -> None:
        super().__init__(ledger)
        self._may = may

    def before(self, call: Call, inner: Perform) -> Reply | None:
        name, part = _about(call)
        if _creates(call) or (part == "configuration" and call.method == "PUT"):
            role = call.json.get("Role", "")
            if role and not self._assumable(role):
                return refusal(call, "InvalidParameterValueException", _NO_ROLE)
            if role and (call.json.get("Environment") or {}).get("Variables") and not known_to_kms(self.ledger, role):
                return refusal(call, "InvalidParameterValueException", _NO_GRANT)
            if lacking := self._lacking(call, role or _role(call.scope[1], name)):
                said = f"The provided execution role does not have permissions to call {lacking}"
                return refusal(call, "InvalidParameterValueException", said)
        if not name or _creates(call):
            return None
        key = self.key(call, name)
        if self.ledger.unknown(key):
            arn = f"arn:aws:lambda:{call.scope[1]}:{ACCOUNT}:function:{name}"
            return refusal(call, "ResourceNotFoundException", f"Function not found: {arn}", 404)
        phase = self.ledger.phase(key)
        if phase and call.method != "GET" and not (phase == "InProgress" and part == "invocations"):
            now = f"The function is currently in the following state: {phase}"
            now = f"An update is in progress for resource: {name}" if phase == "InProgress" else now
            return refusal(
                call, "ResourceConflictException", f"The operation cannot be performed at this time. {now}", 409
            )
        return self._allow(call, name, inner) if part == "policy" and call.method == "POST" else None

    def _allow(self, call: Call, name: str, inner: Perform) -> Reply:
        """moto's policies have no end: a statement that is too much is taken back."""
        reply = inner(call)
        if reply.status >= 400:
            return reply
        functions = backend("lambda", call.scope[1]).list_functions()
        policy = next(one.policy for one in functions if one.function_name == name)
        size = len(json.dumps(policy.get_policy()["Policy"], separators=(",", ":")))
        if size <= LONGEST_POLICY:
            return reply
        policy.del_statement(call.json["StatementId"])
        said = f"The final policy size ({size}) is bigger than the limit ({LONGEST_POLICY})."
        return refusal(call, "PolicyLengthExceededException", said)

    def after(self, call: Call, reply: Reply) -> Reply:
        if reply.status >= 400:
            return reply
        name, part = _about(call)
        if _creates(call) or (name and (part, call.method) in (("configuration", "PUT"), ("", "DELETE"))):
            follow(self.ledger, call.scope[1])
        if _creates(call):
            key = self.key(call, name)
            self.ledger.made(key, KNOWN, LISTED)
            most = PENDING_IN_VPC if call.json.get("VpcConfig", {}).get("SubnetIds") else PENDING
            self.ledger.enter(key, "Pending", self.ledger.lag(key, most))
        elif name and call.method == "PUT" and part in ("code", "configuration"):
            self.ledger.enter(self.key(call, name), "InProgress", self.ledger.lag(self.key(call, name), UPDATING))
        elif _FUNCTIONS.fullmatch(call.path) and call.method == "GET":
            hidden, found = self.ledger.unlisted_of(self.service, call.scope[1]), document(reply)
            shown = [self._described(call, one) for one in found["Functions"] if one["FunctionName"] not in hidden]
            return with_document(reply, {**found, "Functions": shown})
        if name and part in ("", "code", "configuration") and call.method != "DELETE":
            found = document(reply)
            if "Configuration" in found:
                return with_document(reply, {**found, "Configuration": self._described(call, found["Configuration"])})
            return with_document(reply, self._described(call, found))
        return reply

    def _described(self, call: Call, function: dict[str, Any]) -> dict[str, Any]:
        phase = self.ledger.phase(self.key(call, function["FunctionName"]))
        if phase == "Pending":
            why = {"StateReason": "The function is being created.", "StateReasonCode": "Creating"}
            return {**function, "State": phase, **why, "LastUpdateStatus": "InProgress"}
        return {**function, "LastUpdateStatus": phase} if phase else function

    def _lacking(self, call: Call, role: str) -> str:
        """What Lambda would do in the role's name and may not; only where IAM is enforced is there such a thing."""
        queue = call.json.get("DeadLetterConfig", {}).get("TargetArn", "")
        if ":sqs:" in queue and not self._may(role, call.scope[1], "sqs:SendMessage", queue):
            return "SendMessage on SQS"
        inside = call.json.get("VpcConfig", {}).get("SubnetIds")
        if inside and not self._may(role, call.scope[1], "ec2:CreateNetworkInterface", "*"):
            return "CreateNetworkInterface on EC2"
        return ""

    def _assumable(self, arn: str) -> bool:
        """Whether there is such a role that trusts Lambda, and Lambda knows it by now."""
        roles = backend("iam", "aws").roles.values()
        role = next((one for one in roles if one.arn == arn), None)
        trusts = role is not None and "lambda.amazonaws.com" in unquote(str(role.assume_role_policy_document))
        return trusts and known_to_services(self.ledger, "role", arn)


def _role(region: str, name: str) -> str:
    """The role that a function has now; empty where there is no such function."""
    found = (one.role for one in backend("lambda", region).list_functions() if one.function_name == name)
    return str(next(found, ""))


def _creates(call: Call) -> bool:
    return call.method == "POST" and _FUNCTIONS.fullmatch(call.path) is not None


def _about(call: Call) -> tuple[str, str]:
    """The function that a call is about, and what of it (``code``); empty for all of it, or for none."""
    if _creates(call):
        return _name(call.json.get("FunctionName", "")), ""
    path = unquote(call.path)
    if found := _TAGS.fullmatch(path):
        return _name(found.group(2)), found.group(1)
    found = _FUNCTION.match(path)
    return (_name(found.group(1)), found.group(2)) if found else ("", "")


def _name(given: str) -> str:
    """Of a name, an ARN, each with or without a version."""
    return (given.partition(":function:")[2] or given).partition(":")[0]
