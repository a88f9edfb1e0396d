"""IAM as hard as AWS's: what blocks a deletion, and what is not known yet."""

from __future__ import annotations

import json
from typing import Any

import pytest

from awsrun.aws.errors import matches
from tests.conftest import LocalCloud
from tests.contract.strict_bench import at_once, passes, refused, sometimes, unique, until

TRUST = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"},
                                             "Action": "sts:AssumeRole"}]}
)  # fmt: skip
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
)
READ_ONLY = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


@pytest.fixture
def iam(strict_cloud: LocalCloud) -> Any:
    return strict_cloud.client("iam")


def known_role(iam: Any) -> str:
    """A role that calls find by now."""
    name = unique()
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    passes("NoSuchEntity", iam.get_role, RoleName=name)
    return name


def known_profile(iam: Any, role: str) -> str:
    """A profile with a role in it."""
    name = unique()
    iam.create_instance_profile(InstanceProfileName=name)
    passes("NoSuchEntity", iam.add_role_to_instance_profile, InstanceProfileName=name, RoleName=role)
    return name


def test_a_role_goes_only_after_its_policies_and_profiles(iam: Any) -> None:
    role = known_role(iam)
    profile = known_profile(iam, role)
    iam.attach_role_policy(RoleName=role, PolicyArn=READ_ONLY)
    iam.put_role_policy(RoleName=role, PolicyName="inline", PolicyDocument=POLICY)
    refused("DeleteConflict:instance profile", iam.delete_role, RoleName=role)
    iam.remove_role_from_instance_profile(InstanceProfileName=profile, RoleName=role)
    refused("DeleteConflict:detach all policies", iam.delete_role, RoleName=role)
    iam.detach_role_policy(RoleName=role, PolicyArn=READ_ONLY)
    refused("DeleteConflict:delete policies", iam.delete_role, RoleName=role)
    iam.delete_role_policy(RoleName=role, PolicyName="inline")
    iam.delete_role(RoleName=role)
    refused("NoSuchEntity", iam.get_role, RoleName=role)


def test_the_inline_policies_of_a_role_have_10_240_characters(iam: Any) -> None:
    role = known_role(iam)
    half = json.loads(POLICY)
    half["Statement"][0]["Resource"] = [f"arn:aws:s3:::{'b' * 60}{number:03}/*" for number in range(70)]
    iam.put_role_policy(RoleName=role, PolicyName="a", PolicyDocument=json.dumps(half, indent=8))
    iam.put_role_policy(RoleName=role, PolicyName="a", PolicyDocument=json.dumps(half))
    refused(
        "LimitExceeded:Maximum policy size of 10240 bytes exceeded",
        iam.put_role_policy, RoleName=role, PolicyName="b", PolicyDocument=json.dumps(half),
    )  # fmt: skip


def test_a_profile_goes_only_after_its_role(iam: Any) -> None:
    role = known_role(iam)
    profile = known_profile(iam, role)
    refused("DeleteConflict", iam.delete_instance_profile, InstanceProfileName=profile)
    iam.remove_role_from_instance_profile(InstanceProfileName=profile, RoleName=role)
    iam.delete_instance_profile(InstanceProfileName=profile)


def test_a_new_role_is_not_found_for_a_moment_and_listed_later(iam: Any) -> None:
    def attempt(name: str) -> None:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
        iam.attach_role_policy(RoleName=name, PolicyArn=READ_ONLY)

    role = sometimes("NoSuchEntity", attempt)
    passes("NoSuchEntity", iam.attach_role_policy, RoleName=role, PolicyArn=READ_ONLY)
    refused("EntityAlreadyExists", iam.create_role, RoleName=role, AssumeRolePolicyDocument=TRUST)
    until(lambda: role in {one["RoleName"] for page in iam.get_paginator("list_roles").paginate()
                           for one in page["Roles"]})  # fmt: skip


def test_lists_leave_out_what_is_new(iam: Any) -> None:
    def listed(name: str) -> bool:
        iam.create_instance_profile(InstanceProfileName=name)
        pages = iam.get_paginator("list_instance_profiles").paginate()
        return name in {one["InstanceProfileName"] for page in pages for one in page["InstanceProfiles"]}

    assert not all(listed(unique()) for _ in range(20))


def test_a_new_profile_is_not_found_for_a_moment(iam: Any) -> None:
    def attempt(name: str) -> None:
        iam.create_instance_profile(InstanceProfileName=name)
        iam.get_instance_profile(InstanceProfileName=name)

    name = sometimes("NoSuchEntity", attempt)
    passes("NoSuchEntity", iam.get_instance_profile, InstanceProfileName=name)


def _trusting(arn: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_fresh_role_is_no_principal_yet(iam: Any) -> None:
    truster = known_role(iam)

    def attempt(name: str) -> None:
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        iam.update_assume_role_policy(RoleName=truster, PolicyDocument=_trusting(arn))

    name = sometimes("MalformedPolicyDocument:Invalid principal in policy", attempt)
    arn = f"arn:aws:iam::123456789012:role/{name}"
    passes("MalformedPolicyDocument", iam.update_assume_role_policy, RoleName=truster, PolicyDocument=_trusting(arn))
    nobody = _trusting("arn:aws:iam::123456789012:role/nobody")
    refused("MalformedPolicyDocument", iam.create_role, RoleName=unique(), AssumeRolePolicyDocument=nobody)
    iam.create_role(RoleName=unique(), AssumeRolePolicyDocument=_trusting("arn:aws:iam::111111111111:root"))


def test_changes_of_one_role_at_once_are_refused_but_one(strict_cloud: LocalCloud, iam: Any) -> None:
    role = known_role(iam)
    clients = [strict_cloud.client("iam") for _ in range(8)]

    def change(number: int) -> None:
        clients[number].put_role_policy(RoleName=role, PolicyName=f"p{number}", PolicyDocument=POLICY)

    errors = until(lambda: at_once(8, change))
    assert all(matches(error, ("ConcurrentModification",)) for error in errors)
    assert len(errors) < 8, "one of them is carried out"
    change(0)
