"""The calls about rights that the embedded cloud answers itself: who am I, and what may somebody do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape

from awsrun.local.calls import Call, Reply
from awsrun.local.errors import refusal
from awsrun.local.iam import principals
from awsrun.local.iam.context import Context, Values
from awsrun.local.iam.decision import Named, Rights, Verdict, decide
from awsrun.local.iam.directory import Directory
from awsrun.local.iam.errors import PolicyError, Refused
from awsrun.local.iam.policy import compiled
from awsrun.local.iam.principals import Principal
from awsrun.local.iam.request import ACCOUNT

_XML = [("Content-Type", "text/xml")]


def answer(call: Call, who: Principal, directory: Directory) -> Reply | None:
    """The answer to a call of ``who``; None where the call is for another service."""
    service, _ = call.scope
    if service == "sts" and call.action == "GetCallerIdentity":
        parts = f"<Arn>{escape(who.arn)}</Arn><UserId>{escape(who.user_id)}</UserId><Account>{ACCOUNT}</Account>"
        return _result("sts", "2011-06-15", call.action, parts)
    if service == "iam" and call.action in ("SimulateCustomPolicy", "SimulatePrincipalPolicy"):
        try:
            rights = _rights(call, directory)
        except PolicyError as error:
            return refusal(call, "InvalidInput", str(error))
        if rights is None:
            source = call.form.get("PolicySourceArn", "")
            return refusal(call, "NoSuchEntity", f"{source} is no user, group or role of this account", 404)
        return _result("iam", "2010-05-08", call.action, _simulated(call, rights))
    return None


def _rights(call: Call, directory: Directory) -> Rights | None:
    """What is simulated: the policies of a principal, and those that the call brings.

    Raises:
        PolicyError: the source is not the ARN of an entity, or a policy is not one.
    """
    source = call.form.get("PolicySourceArn", "")
    given = tuple(
        Named(f"PolicyInputList.{number}", compiled(text))
        for number, text in enumerate(_members(call, "PolicyInputList"), 1)
    )
    boundaries = list(_members(call, "PermissionsBoundaryPolicyInputList"))
    boundary = Named("PermissionsBoundaryPolicyInputList.1", compiled(boundaries[0])) if boundaries else None
    if call.action == "SimulateCustomPolicy":
        return Rights(given, boundary)
    kind, _, path = source.rpartition(":")[2].partition("/")
    if kind not in ("role", "user", "group") or ":iam:" not in source:
        raise PolicyError(f"Invalid Entity Arn: {source} does not clearly define entity type and name.")
    name = path.rpartition("/")[2]
    found = _entity(directory, kind, name) if source == directory.iam_arn(kind, name) else None
    return None if found is None else Rights(found.identity + given, boundary or found.boundary)


def _entity(directory: Directory, kind: str, name: str) -> Rights | None:
    if kind == "group":
        group = directory.backend("iam").groups.get(name)
        return None if group is None else Rights(tuple(principals.policies_of("group", group)))
    try:
        who = principals.user(directory, name) if kind == "user" else principals.role_itself(directory, name)
    except Refused:
        return None
    return principals.rights(directory, who)


def _simulated(call: Call, rights: Rights) -> str:
    """Each action on each resource; by default on all of them
    (https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html)."""
    entries = dict(_context_entries(call))
    context = Context({**entries})
    known = {name.lower() for name in entries}
    asked = {key for named in rights.identity for key in named.policy.keys}
    missing = sorted(key for key in asked if key.lower() not in known)
    results = []
    for action in _members(call, "ActionNames"):
        for resource in list(_members(call, "ResourceArns")) or ["*"]:
            results.append(_member(action, resource, decide(rights, action, resource, context), missing))
    return f"<IsTruncated>false</IsTruncated><EvaluationResults>{''.join(results)}</EvaluationResults>"


def _member(action: str, resource: str, verdict: Verdict, missing: Iterable[str]) -> str:
    decision = "allowed" if verdict.allowed else "explicitDeny" if verdict.explicit else "implicitDeny"
    matched = "".join(
        f"<member><SourcePolicyId>{escape(named.source)}</SourcePolicyId>"
        f"<SourcePolicyType>IAM Policy</SourcePolicyType></member>"
        for named, _ in verdict.matched
    )
    absent = "".join(f"<member>{escape(key)}</member>" for key in missing)
    return (
        f"<member><EvalActionName>{escape(action)}</EvalActionName><EvalResourceName>{escape(resource)}"
        f"</EvalResourceName><EvalDecision>{decision}</EvalDecision><MatchedStatements>{matched}</MatchedStatements>"
        f"<MissingContextValues>{absent}</MissingContextValues></member>"
    )


def _context_entries(call: Call) -> Iterator[tuple[str, Values]]:
    for field, name in call.form.items():
        if field.startswith("ContextEntries.") and field.endswith(".ContextKeyName"):
            prefix = field.removesuffix("Name")
            yield name, tuple(_members(call, f"{prefix}Values"))


def _members(call: Call, name: str) -> Iterator[str]:
    """``NAME.member.1`` and so on, in order."""
    number = 1
    while (value := call.form.get(f"{name}.member.{number}")) is not None:
        yield value
        number += 1


def _result(service: str, version: str, action: str, parts: str) -> Reply:
    space = f"https://{service}.amazonaws.com/doc/{version}/"
    body = (
        f'<{action}Response xmlns="{space}"><{action}Result>{parts}</{action}Result>'
        f"<ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></{action}Response>"
    )
    return Reply(200, list(_XML), body.encode())
