"""IAM enforcement as clients see it: each protocol's code and sentence, and nothing done by what was denied."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from awsrun.reconcile.calls import explain

Clients = Callable[[str], Any]


@dataclass
class Account:
    """The embedded cloud with IAM on, and users in it."""

    endpoint: str
    root: Any

    def client(self, service: str, key: str, secret: str = "s", token: str | None = None) -> Any:
        session = boto3.Session(key, secret, token, region_name="us-east-1")
        config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
        return session.client(service, endpoint_url=self.endpoint, config=config)

    def user(self, name: str, *statements: dict[str, Any]) -> Clients:
        """Clients of a new user with one inline policy."""
        iam = self.root("iam")
        iam.create_user(UserName=name)
        if statements:
            document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return lambda service: self.client(service, made["AccessKeyId"], made["SecretAccessKey"])


@pytest.fixture(scope="module")
def account(iam_cloud: Any) -> Iterator[Account]:
    yield Account(iam_cloud.endpoint, iam_cloud.client)


@pytest.fixture(scope="module")
def nobody(account: Account) -> Clients:
    """A user without any right."""
    return account.user("nobody")


def allow(action: str | list[str], resource: str | list[str] = "*", **condition: Any) -> dict[str, Any]:
    extra = {"Condition": condition} if condition else {}
    return {"Effect": "Allow", "Action": action, "Resource": resource, **extra}


WHO = "arn:aws:iam::123456789012:user/nobody"
CASES: list[tuple[str, str, dict[str, Any], str, int, str, str]] = [
    ("dynamodb", "get_item", {"TableName": "t", "Key": {"pk": {"S": "1"}}}, "AccessDeniedException", 400,
     "dynamodb:GetItem", "arn:aws:dynamodb:us-east-1:123456789012:table/t"),
    ("logs", "create_log_group", {"logGroupName": "/g"}, "AccessDeniedException", 400, "logs:CreateLogGroup",
     "arn:aws:logs:us-east-1:123456789012:log-group:/g:log-stream:"),
    ("ecr", "describe_repositories", {}, "AccessDeniedException", 400, "ecr:DescribeRepositories",
     "arn:aws:ecr:us-east-1:123456789012:repository/*"),
    ("ssm", "get_parameter", {"Name": "/aws/service/x"}, "AccessDeniedException", 400, "ssm:GetParameter",
     "arn:aws:ssm:us-east-1::parameter/aws/service/x"),
    ("batch", "terminate_job", {"jobId": "j", "reason": "r"}, "AccessDeniedException", 403, "batch:TerminateJob",
     "arn:aws:batch:us-east-1:123456789012:job/j"),
    ("iam", "get_role", {"RoleName": "r"}, "AccessDenied", 403, "iam:GetRole", "arn:aws:iam::123456789012:role/r"),
    ("sts", "assume_role", {"RoleArn": "arn:aws:iam::123456789012:role/r", "RoleSessionName": "me"}, "AccessDenied",
     403, "sts:AssumeRole", "arn:aws:iam::123456789012:role/r"),
    ("ec2", "delete_vpc", {"VpcId": "vpc-1"}, "UnauthorizedOperation", 403, "ec2:DeleteVpc",
     "arn:aws:ec2:us-east-1:123456789012:vpc/vpc-1"),
    ("s3", "get_object", {"Bucket": "b", "Key": "k"}, "AccessDenied", 403, "s3:GetObject", "arn:aws:s3:::b/k"),
    ("lambda", "get_function", {"FunctionName": "f"}, "AccessDeniedException", 403, "lambda:GetFunction",
     "arn:aws:lambda:us-east-1:123456789012:function:f"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code", "status", "action", "resource"), CASES, ids=[c[0] for c in CASES]
)
def test_denial_of_each_protocol(
    nobody: Clients,
    service: str,
    operation: str,
    arguments: dict[str, Any],
    code: str,
    status: int,
    action: str,
    resource: str,
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(nobody(service), operation)(**arguments)
    response = caught.value.response
    said = response["Error"]["Message"]
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert f"User: {WHO} is not authorized to perform: {action} on resource: " in said
    assert resource in said
    assert (
        f"because no {'resource' if service == 'sts' else 'identity'}-based policy allows the {action} action" in said
    )
    assert explain(caught.value, "do it").hint == "the rights that it takes: awsrun policy SPEC; then run again"


def test_head_says_no_with_its_status_alone(nobody: Clients) -> None:
    with pytest.raises(ClientError) as caught:
        nobody("s3").head_object(Bucket="b", Key="k")
    assert caught.value.response["Error"]["Code"] == "403"


def test_denied_change_is_not_made(account: Account, nobody: Clients) -> None:
    with pytest.raises(ClientError):
        nobody("s3").create_bucket(Bucket="never-made")
    assert "never-made" not in [b["Name"] for b in account.root("s3").list_buckets()["Buckets"]]


def test_operation_without_a_table_entry_is_denied_and_says_so(account: Account) -> None:
    mighty = account.user("mighty", allow("*"))
    with pytest.raises(ClientError) as caught:
        mighty("ec2").describe_id_format()
    assert "does not know which rights ec2:DescribeIdFormat takes" in caught.value.response["Error"]["Message"]
    account.root("ec2").describe_regions()  # root may


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("dynamodb", "list_tables", "UnrecognizedClientException"),
        ("batch", "describe_job_queues", "UnrecognizedClientException"),
        ("iam", "list_roles", "InvalidClientTokenId"),
        ("ec2", "describe_vpcs", "AuthFailure"),
        ("s3", "list_buckets", "InvalidAccessKeyId"),
        ("sts", "get_caller_identity", "InvalidClientTokenId"),
    ],
)
def test_key_that_nobody_has(account: Account, service: str, operation: str, code: str) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(account.client(service, "AKIAIOSFODNN7EXAMPLE"), operation)()
    assert caught.value.response["Error"]["Code"] == code


def test_rights_by_user_group_and_managed_policy_add_up(account: Account) -> None:
    iam, root = account.root("iam"), account.root
    root("s3").create_bucket(Bucket="shared-b")
    reader = account.user("reader", allow("s3:PutObject", "arn:aws:s3:::shared-b/mine/*"))
    iam.create_group(GroupName="readers")
    group_policy = json.dumps(
        {"Version": "2012-10-17", "Statement": [allow("s3:GetObject", "arn:aws:s3:::shared-b/*")]}
    )
    iam.put_group_policy(GroupName="readers", PolicyName="p", PolicyDocument=group_policy)
    iam.add_user_to_group(GroupName="readers", UserName="reader")
    reader("s3").put_object(Bucket="shared-b", Key="mine/a", Body=b"1")
    assert reader("s3").get_object(Bucket="shared-b", Key="mine/a")["Body"].read() == b"1"
    with pytest.raises(ClientError, match="s3:PutObject"):
        reader("s3").put_object(Bucket="shared-b", Key="theirs/a", Body=b"1")
    with pytest.raises(ClientError, match="s3:ListBucket"):
        reader("s3").get_object(Bucket="shared-b", Key="missing")  # nor is it told that the key is missing
    iam.attach_user_policy(UserName="reader", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    with pytest.raises(ClientError, match="NoSuchKey"):
        reader("s3").get_object(Bucket="shared-b", Key="missing")
    document = {"Version": "2012-10-17", "Statement": [{**allow("s3:*"), "Effect": "Deny"}]}
    iam.put_user_policy(UserName="reader", PolicyName="no", PolicyDocument=json.dumps(document))
    with pytest.raises(ClientError, match="with an explicit deny in an identity-based policy"):
        reader("s3").get_object(Bucket="shared-b", Key="mine/a")


def test_denied_deletions_are_told_one_by_one_and_survive_a_restart(account: Account, iam_cloud: Any) -> None:
    account.root("s3").create_bucket(Bucket="kept-b")
    account.root("s3").put_object(Bucket="kept-b", Key="a", Body=b"1")
    user = account.user("deleter", allow("s3:ListBucket"))
    answer = user("s3").delete_objects(Bucket="kept-b", Delete={"Objects": [{"Key": "a"}]})
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [("a", "AccessDenied")]
    iam_cloud.kill()
    iam_cloud.start()
    assert iam_cloud.status()["options"]["iam"]
    assert account.root("s3").get_object(Bucket="kept-b", Key="a")["Body"].read() == b"1"


def test_tags_at_creation_take_the_right_to_tag(account: Account) -> None:
    maker = account.user(
        "maker",
        allow(["ec2:CreateVpc", "dynamodb:CreateTable", "iam:CreateRole"]),
        allow("ec2:CreateTags", StringEquals={"ec2:CreateAction": "CreateVpc", "aws:RequestTag/team": "a"}),
    )
    tags = [{"Key": "team", "Value": "a"}]
    specification = [{"ResourceType": "vpc", "Tags": tags}]
    vpc = maker("ec2").create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=specification)["Vpc"]["VpcId"]
    other = [{"ResourceType": "vpc", "Tags": [{"Key": "team", "Value": "b"}]}]
    with pytest.raises(ClientError, match="ec2:CreateTags"):
        maker("ec2").create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=other)
    with pytest.raises(ClientError, match="ec2:CreateTags"):
        maker("ec2").create_tags(Resources=[vpc], Tags=tags)
    with pytest.raises(ClientError, match="dynamodb:TagResource"):
        maker("dynamodb").create_table(
            TableName="tagged", BillingMode="PAY_PER_REQUEST", Tags=tags,
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        )  # fmt: skip
    with pytest.raises(ClientError, match="iam:TagRole"):
        maker("iam").create_role(RoleName="tagged", AssumeRolePolicyDocument=_trust("ec2"), Tags=tags)


def test_only_tagged_resources_may_be_deleted(account: Account) -> None:
    ec2 = account.root("ec2")
    vpcs = [ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"] for _ in range(2)]
    ec2.create_tags(Resources=vpcs[:1], Tags=[{"Key": "awsrun:stack", "Value": "mine"}])
    owner = account.user("owner", allow("ec2:DeleteVpc", StringEquals={"aws:ResourceTag/awsrun:stack": "mine"}))
    owner("ec2").delete_vpc(VpcId=vpcs[0])
    with pytest.raises(ClientError, match=vpcs[1]):
        owner("ec2").delete_vpc(VpcId=vpcs[1])


def test_role_is_handed_over_only_with_pass_role(account: Account) -> None:
    iam = account.root("iam")
    iam.create_role(RoleName="passed", Path="/jobs/", AssumeRolePolicyDocument=_trust("ecs-tasks"))
    request = {
        "jobDefinitionName": "d",
        "type": "container",
        "containerProperties": {
            "image": "i", "jobRoleArn": "arn:aws:iam::123456789012:role/jobs/passed",
            "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "512"}],
        },
    }  # fmt: skip
    without = account.user("without", allow("batch:RegisterJobDefinition"))
    with pytest.raises(ClientError, match=r"iam:PassRole on resource: arn:aws:iam::123456789012:role/jobs/passed"):
        without("batch").register_job_definition(**request)
    to_ec2 = allow("iam:PassRole", StringEquals={"iam:PassedToService": "ec2.amazonaws.com"})
    with pytest.raises(ClientError, match="iam:PassRole"):
        account.user("wrongly", allow("batch:*"), to_ec2)("batch").register_job_definition(**request)
    to_tasks = allow("iam:PassRole", StringEquals={"iam:PassedToService": "ecs-tasks.amazonaws.com"})
    account.user("rightly", allow("batch:*"), to_tasks)("batch").register_job_definition(**request)


def _trust(service: str) -> str:
    principal = {"Service": f"{service}.amazonaws.com"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
