"""IAM (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html).

IAM is global: its ARNs have no region, and name the paths of what they are of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from awsrun.local.iam.context import Given
from awsrun.local.iam.request import Authorization, Request, Rule, everywhere, passing, tag_keys, tags

_FIELDS = {"role": "RoleName", "user": "UserName", "group": "GroupName", "instance-profile": "InstanceProfileName"}
_TAGS = {"role": "TagRole", "user": "TagUser", "instance-profile": "TagInstanceProfile", "policy": "TagPolicy"}


def _known(kind: str) -> Rule:
    """On a role, user, group or profile that is named; a user that is not named is the caller, which the call does
    not tell, and stands for all users here."""

    def rule(request: Request) -> Iterator[Authorization]:
        name = request.form.get(_FIELDS[kind])
        resource = request.directory.iam_arn(kind, name) if name else request.arn(f"{kind}/*", region="")
        context = _context(request)
        if kind == "role" and name and "iam:PermissionsBoundary" not in context:  # it is asked of what it has
            context["iam:PermissionsBoundary"] = partial(request.directory.boundary, name)
        yield Authorization(request.action, resource, context)

    return rule


def _context(request: Request) -> dict[str, Given]:
    """The keys that IAM's calls set: which policy, which boundary, which tags."""
    form = request.form
    found: dict[str, Given] = tags(request.pairs("Tags")) or (
        tag_keys(request.listed("TagKeys")) if "TagKeys.member.1" in form else {}
    )
    if form.get("PolicyArn"):
        found["iam:PolicyARN"] = (form["PolicyArn"],)
    if form.get("PermissionsBoundary"):
        found["iam:PermissionsBoundary"] = (form["PermissionsBoundary"],)
    return found


def _made(kind: str) -> Rule:
    """Makes one, below its Path, with tags."""

    def rule(request: Request) -> Iterator[Authorization]:
        name = request.form.get(_FIELDS.get(kind, "PolicyName"), "")
        resource = request.arn(f"{kind}{request.form.get('Path') or '/'}{name}", region="")
        yield Authorization(request.action, resource, _context(request))
        if request.pairs("Tags"):
            yield Authorization(f"iam:{_TAGS[kind]}", resource, _context(request))

    return rule


def _policy(request: Request) -> Iterator[Authorization]:
    yield Authorization(request.action, request.form.get("PolicyArn", "*"), _context(request))


def _put_in_profile(request: Request) -> Iterator[Authorization]:
    yield from _known("instance-profile")(request)
    role = request.directory.iam_arn("role", request.form.get("RoleName", ""))
    yield passing(role, "ec2.amazonaws.com")


def _linked(request: Request) -> Iterator[Authorization]:
    service = request.form.get("AWSServiceName", "")
    resource = request.arn(f"role/aws-service-role/{service}/*", region="")
    yield Authorization(request.action, resource, {"iam:AWSServiceName": (service,)})


def _simulated(request: Request) -> Iterator[Authorization]:
    yield Authorization(request.action, request.form.get("PolicySourceArn", "*"))


def _each(kind: str, *operations: str) -> dict[str, Rule]:
    return dict.fromkeys(operations, _known(kind))


RULES: Mapping[str, Rule] = {
    **_each(
        "role",
        "AttachRolePolicy", "DeleteRole", "DeleteRolePermissionsBoundary", "DeleteRolePolicy", "DetachRolePolicy",
        "GetRole", "GetRolePolicy", "ListAttachedRolePolicies", "ListInstanceProfilesForRole", "ListRolePolicies",
        "ListRoleTags", "PutRolePermissionsBoundary", "PutRolePolicy", "TagRole", "UntagRole",
        "UpdateAssumeRolePolicy", "UpdateRole", "UpdateRoleDescription",
    ),
    **_each(
        "user",
        "AttachUserPolicy", "CreateAccessKey", "DeleteAccessKey", "DeleteUser", "DeleteUserPolicy", "DetachUserPolicy",
        "GetUser", "GetUserPolicy", "ListAccessKeys", "ListAttachedUserPolicies", "ListGroupsForUser",
        "ListUserPolicies", "ListUserTags", "PutUserPolicy", "TagUser", "UntagUser", "UpdateAccessKey", "UpdateUser",
    ),
    **_each(
        "group",
        "AddUserToGroup", "AttachGroupPolicy", "DeleteGroup", "DeleteGroupPolicy", "DetachGroupPolicy", "GetGroup",
        "GetGroupPolicy", "ListAttachedGroupPolicies", "ListGroupPolicies", "PutGroupPolicy", "RemoveUserFromGroup",
    ),
    **_each(
        "instance-profile",
        "DeleteInstanceProfile", "GetInstanceProfile", "ListInstanceProfileTags", "RemoveRoleFromInstanceProfile",
        "TagInstanceProfile", "UntagInstanceProfile",
    ),
    **dict.fromkeys(
        (
            "CreatePolicyVersion", "DeletePolicy", "DeletePolicyVersion", "GetPolicy", "GetPolicyVersion",
            "ListEntitiesForPolicy", "ListPolicyTags", "ListPolicyVersions", "SetDefaultPolicyVersion", "TagPolicy",
            "UntagPolicy",
        ),
        _policy,
    ),
    **dict.fromkeys(
        (
            "GetAccountSummary", "ListAccountAliases", "ListGroups", "ListInstanceProfiles", "ListPolicies",
            "ListRoles", "ListUsers", "SimulateCustomPolicy",
        ),
        everywhere,
    ),
    "AddRoleToInstanceProfile": _put_in_profile,
    "CreateGroup": _made("group"),
    "CreateInstanceProfile": _made("instance-profile"),
    "CreatePolicy": _made("policy"),
    "CreateRole": _made("role"),
    "CreateServiceLinkedRole": _linked,
    "CreateUser": _made("user"),
    "SimulatePrincipalPolicy": _simulated,
}  # fmt: skip
