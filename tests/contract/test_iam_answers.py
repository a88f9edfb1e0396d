"""Who am I, and what may somebody do: answered by the same evaluator that decides, with IAM enforced or not."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

ACCOUNT = "123456789012"
TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/awsrun-mine"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["dynamodb:*", "ec2:CreateVpc"], "Resource": "*"},
        {"Effect": "Deny", "Action": "dynamodb:DeleteTable", "Resource": TABLE},
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*",
         "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def simulated(local_cloud: Any) -> str:
    """The ARN of a user that has the policy through a group."""
    iam = local_cloud.client("iam")
    iam.create_user(UserName="simulated", Path="/people/")
    iam.create_group(GroupName="simulated-group")
    iam.put_group_policy(GroupName="simulated-group", PolicyName="p", PolicyDocument=json.dumps(POLICY))
    iam.add_user_to_group(GroupName="simulated-group", UserName="simulated")
    return f"arn:aws:iam::{ACCOUNT}:user/people/simulated"


def decisions(answer: Any) -> dict[tuple[str, str], str]:
    return {
        (one["EvalActionName"], one["EvalResourceName"]): one["EvalDecision"] for one in answer["EvaluationResults"]
    }


def test_simulation_of_a_principal(local_cloud: Any, simulated: str) -> None:
    iam = local_cloud.client("iam")
    answer = iam.simulate_principal_policy(
        PolicySourceArn=simulated,
        ActionNames=["dynamodb:DeleteTable", "dynamodb:PutItem", "s3:GetObject"],
        ResourceArns=[TABLE, f"{TABLE}-too"],
    )
    assert decisions(answer) == {
        ("dynamodb:DeleteTable", TABLE): "explicitDeny",
        ("dynamodb:DeleteTable", f"{TABLE}-too"): "allowed",
        ("dynamodb:PutItem", TABLE): "allowed",
        ("dynamodb:PutItem", f"{TABLE}-too"): "allowed",
        ("s3:GetObject", TABLE): "implicitDeny",
        ("s3:GetObject", f"{TABLE}-too"): "implicitDeny",
    }
    allowed = next(one for one in answer["EvaluationResults"] if one["EvalDecision"] == "allowed")
    assert [one["SourcePolicyId"] for one in allowed["MatchedStatements"]] == ["group_simulated-group_p"]
    assert not answer["IsTruncated"]


def test_simulation_with_context_says_which_keys_are_missing(local_cloud: Any, simulated: str) -> None:
    iam = local_cloud.client("iam")
    without = iam.simulate_principal_policy(PolicySourceArn=simulated, ActionNames=["iam:PassRole"])
    (result,) = without["EvaluationResults"]
    assert (result["EvalDecision"], result["MissingContextValues"]) == ("implicitDeny", ["iam:PassedToService"])
    for service, expected in (("ecs-tasks", "allowed"), ("ec2", "implicitDeny")):
        entry = {"ContextKeyName": "iam:PassedToService", "ContextKeyType": "string",
                 "ContextKeyValues": [f"{service}.amazonaws.com"]}  # fmt: skip
        answer = iam.simulate_principal_policy(
            PolicySourceArn=simulated, ActionNames=["iam:PassRole"], ContextEntries=[entry]
        )
        assert [one["EvalDecision"] for one in answer["EvaluationResults"]] == [expected]
        assert answer["EvaluationResults"][0]["MissingContextValues"] == []


def test_simulation_of_documents(local_cloud: Any) -> None:
    iam = local_cloud.client("iam")
    answer = iam.simulate_custom_policy(
        PolicyInputList=[json.dumps(POLICY)], ActionNames=["ec2:CreateVpc", "ec2:RunInstances"]
    )
    assert list(decisions(answer).values()) == ["allowed", "implicitDeny"]
    with pytest.raises(ClientError, match="InvalidInput"):
        iam.simulate_custom_policy(PolicyInputList=["{}"], ActionNames=["ec2:CreateVpc"])


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (f"arn:aws:iam::{ACCOUNT}:root", "InvalidInput"),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/r/session", "InvalidInput"),
        (f"arn:aws:iam::{ACCOUNT}:user/nobody-there", "NoSuchEntity"),
        (f"arn:aws:iam::{ACCOUNT}:role/nobody-there", "NoSuchEntity"),
        (f"arn:aws:iam::{ACCOUNT}:user/simulated", "NoSuchEntity"),
    ],
)
def test_simulation_of_what_has_no_policies(local_cloud: Any, simulated: str, source: str, code: str) -> None:
    """The last one lacks the user's path."""
    with pytest.raises(ClientError) as caught:
        local_cloud.client("iam").simulate_principal_policy(PolicySourceArn=source, ActionNames=["s3:GetObject"])
    assert caught.value.response["Error"]["Code"] == code


def test_root_is_root_whether_iam_is_enforced_or_not(local_cloud: Any, iam_cloud: Any) -> None:
    for cloud in (local_cloud, iam_cloud):
        found = cloud.client("sts").get_caller_identity()
        assert (found["Arn"], found["UserId"], found["Account"]) == (f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, ACCOUNT)


def test_a_user_may_simulate_only_with_the_right_to(iam_cloud: Any) -> None:
    iam = iam_cloud.client("iam")
    iam.create_user(UserName="curious")
    arn = f"arn:aws:iam::{ACCOUNT}:user/curious"
    made = iam.create_access_key(UserName="curious")["AccessKey"]
    user = boto3.Session(made["AccessKeyId"], made["SecretAccessKey"]).client(
        "iam", region_name="us-east-1", endpoint_url=iam_cloud.endpoint
    )
    with pytest.raises(ClientError, match=f"iam:SimulatePrincipalPolicy on resource: {arn}"):
        user.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["s3:GetObject"])
    own = {"Effect": "Allow", "Action": "iam:SimulatePrincipalPolicy", "Resource": arn}
    document = json.dumps({"Version": "2012-10-17", "Statement": [own]})
    iam.put_user_policy(UserName="curious", PolicyName="p", PolicyDocument=document)
    answer = user.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["s3:GetObject"])
    assert list(decisions(answer).values()) == ["implicitDeny"]
