"""Each patch of moto, by what a client sees: it fails on plain moto."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import LocalCloud

EMPTY_ZIP = b"PK\x05\x06" + bytes(18)
TAGS = [{"Key": "awsrun:stack", "Value": "s"}]


def test_tags_given_with_a_bucket_are_kept(local_cloud: LocalCloud) -> None:
    s3 = local_cloud.client("s3")
    s3.create_bucket(Bucket="patched-tags", CreateBucketConfiguration={"Tags": TAGS})
    assert s3.get_bucket_tagging(Bucket="patched-tags")["TagSet"] == TAGS


def test_lists_of_buckets_say_where_they_are_if_asked_for_anything(local_cloud: LocalCloud) -> None:
    s3 = local_cloud.client("s3")
    s3.create_bucket(Bucket="patched-here")
    s3.create_bucket(Bucket="patched-there", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    regions = {one["Name"]: one["BucketRegion"] for one in s3.list_buckets(Prefix="patched-")["Buckets"]}
    assert (regions["patched-here"], regions["patched-there"]) == ("us-east-1", "eu-west-1")
    assert not any("BucketRegion" in one for one in s3.list_buckets()["Buckets"])


@pytest.mark.parametrize("size", [0, 10, 32 * 1024, 32 * 1024 + 1, 9 << 20])
def test_objects_of_any_size_come_back(local_cloud: LocalCloud, size: int) -> None:
    s3 = local_cloud.client("s3")
    s3.create_bucket(Bucket="patched-objects")
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    s3.put_object(Bucket="patched-objects", Key="k", Body=content, Metadata={"with_underscore": "v"})
    got = s3.get_object(Bucket="patched-objects", Key="k")
    assert got["Body"].read() == content and got["ContentLength"] == size
    assert got["Metadata"] == {"with_underscore": "v"}
    assert s3.head_object(Bucket="patched-objects", Key="k")["ContentLength"] == size
    if size > 10:
        part = s3.get_object(Bucket="patched-objects", Key="k", Range="bytes=5-9")["Body"].read()
        assert part == content[5:10]


def test_uploads_in_parts(local_cloud: LocalCloud) -> None:
    s3 = local_cloud.client("s3")
    s3.create_bucket(Bucket="patched-parts")
    upload = s3.create_multipart_upload(Bucket="patched-parts", Key="k")["UploadId"]
    parts = []
    for number, letter in ((1, b"a"), (2, b"b")):
        body = letter * (5 << 20)
        made = s3.upload_part(Bucket="patched-parts", Key="k", UploadId=upload, PartNumber=number, Body=body)
        parts.append({"ETag": made["ETag"], "PartNumber": number})
    s3.complete_multipart_upload(Bucket="patched-parts", Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket="patched-parts", Key="k")["Body"].read() == b"a" * (5 << 20) + b"b" * (5 << 20)


@pytest.mark.parametrize(("count", "refused"), [(25, False), (26, True)])
def test_a_batch_of_26_items_is_refused(local_cloud: LocalCloud, count: int, refused: bool) -> None:
    dynamodb, name = local_cloud.client("dynamodb"), f"patched-{count}"
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )
    requests = {name: [{"PutRequest": {"Item": {"pk": {"S": str(n)}}}} for n in range(count)]}
    if refused:
        with pytest.raises(ClientError, match="less than or equal to 25"):
            dynamodb.batch_write_item(RequestItems=requests)
    else:
        dynamodb.batch_write_item(RequestItems=requests)
    assert dynamodb.scan(TableName=name)["Count"] == (0 if refused else 25)


def test_update_expressions_mean_the_same_each_time(local_cloud: LocalCloud) -> None:
    """Their trees are shared between calls: values, names and refusals must not be."""
    dynamodb = local_cloud.client("dynamodb")
    dynamodb.create_table(
        TableName="patched-updates",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )

    def update(key: str, expression: str, names: dict[str, str], values: dict[str, Any]) -> dict[str, Any]:
        answer = dynamodb.update_item(
            TableName="patched-updates",
            Key={"pk": {"S": key}},
            UpdateExpression=expression,
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
            **({"ExpressionAttributeNames": names} if names else {}),
        )
        found: dict[str, Any] = {name: value for name, value in answer["Attributes"].items() if name != "pk"}
        return found

    expression = "SET #n = if_not_exists(#n, :zero) + :by, plain = :by REMOVE gone ADD added :by"
    for key, name, by in (("a", "x", "1"), ("a", "x", "2"), ("b", "y", "5"), ("a", "x", "4")):
        last = update(key, expression, {"#n": name}, {":zero": {"N": "0"}, ":by": {"N": by}})
        assert last["plain"] == {"N": by}
    assert last == {"x": {"N": "7"}, "plain": {"N": "4"}, "added": {"N": "7"}}
    for wrong in ("SET a = :v SET b = :v", "SET a = :v, a.b = :v", "SET pk = :v"):
        for _ in range(2):
            with pytest.raises(ClientError, match="ValidationException"):
                update("a", wrong, {}, {":v": {"N": "1"}})


def test_managed_policies_can_be_attached_and_made_up_ones_not(local_cloud: LocalCloud) -> None:
    iam = local_cloud.client("iam")
    iam.create_role(RoleName="patched", AssumeRolePolicyDocument="{}")
    real = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
    iam.attach_role_policy(RoleName="patched", PolicyArn=real)
    attached = iam.list_attached_role_policies(RoleName="patched")["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == [real]
    for wrong in ("arn:aws:iam::aws:policy/AmazonECSTaskExecutionRolePolicy", "arn:aws:iam::aws:policy/None"):
        with pytest.raises(ClientError, match="does not exist"):
            iam.attach_role_policy(RoleName="patched", PolicyArn=wrong)


def test_tags_of_an_instance_profile(local_cloud: LocalCloud) -> None:
    iam = local_cloud.client("iam")
    iam.create_instance_profile(InstanceProfileName="patched", Tags=TAGS)
    assert iam.list_instance_profile_tags(InstanceProfileName="patched")["Tags"] == TAGS


def test_the_linked_role_of_batch_has_its_name(local_cloud: LocalCloud) -> None:
    made = local_cloud.client("iam").create_service_linked_role(AWSServiceName="batch.amazonaws.com")
    assert made["Role"]["RoleName"] == "AWSServiceRoleForBatch"


def _route_table(ec2: Any, vpc: str, token: str) -> str:
    return str(ec2.create_route_table(VpcId=vpc, ClientToken=token)["RouteTable"]["RouteTableId"])


def test_a_client_token_makes_a_call_safe_to_repeat(local_cloud: LocalCloud) -> None:
    ec2 = local_cloud.client("ec2")
    vpc, other = (ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"] for cidr in ("10.8.0.0/16", "10.9.0.0/16"))
    first = _route_table(ec2, vpc, "one")
    assert _route_table(ec2, vpc, "one") == first
    assert _route_table(ec2, vpc, "two") != first
    with pytest.raises(ClientError) as caught:
        _route_table(ec2, other, "one")
    assert caught.value.response["Error"]["Code"] == "IdempotentParameterMismatch"


def test_a_transactions_token_makes_it_safe_to_repeat(local_cloud: LocalCloud) -> None:
    dynamodb = local_cloud.client("dynamodb")
    dynamodb.create_table(
        TableName="patched-tokens",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )

    def add(by: str, token: str) -> None:
        update = {
            "TableName": "patched-tokens",
            "Key": {"pk": {"S": "k"}},
            "UpdateExpression": "ADD n :by",
            "ExpressionAttributeValues": {":by": {"N": by}},
        }
        dynamodb.transact_write_items(TransactItems=[{"Update": update}], ClientRequestToken=token)

    for token in ("one", "one", "two"):
        add("1", token)
    assert dynamodb.get_item(TableName="patched-tokens", Key={"pk": {"S": "k"}})["Item"]["n"] == {"N": "2"}
    with pytest.raises(ClientError) as caught:
        add("2", "one")
    assert caught.value.response["Error"]["Code"] == "IdempotentParameterMismatchException"


def test_what_is_not_there_is_said_as_501(local_cloud: LocalCloud) -> None:
    with pytest.raises(ClientError, match="the embedded cloud does not have this") as caught:
        local_cloud.client("ec2").describe_capacity_blocks()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_a_function_has_all_of_its_configuration(local_cloud: LocalCloud) -> None:
    functions, iam = local_cloud.client("lambda"), local_cloud.client("iam")
    role = iam.create_role(RoleName="patched-function", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    queue, group = "arn:aws:sqs:us-east-1:123456789012:q", {"LogFormat": "Text", "LogGroup": "/mine"}
    functions.create_function(
        FunctionName="patched", Role=role, Runtime="python3.13", Handler="a.b", Code={"ZipFile": EMPTY_ZIP},
        DeadLetterConfig={"TargetArn": queue}, LoggingConfig=group,
    )  # fmt: skip
    now = functions.get_function(FunctionName="patched")["Configuration"]
    assert (now["DeadLetterConfig"], now["LoggingConfig"]) == ({"TargetArn": queue}, group)
    functions.update_function_configuration(
        FunctionName="patched", DeadLetterConfig={"TargetArn": ""}, EphemeralStorage={"Size": 700}
    )
    functions.update_function_code(FunctionName="patched", ZipFile=EMPTY_ZIP, Architectures=["arm64"])
    functions.put_function_concurrency(FunctionName="patched", ReservedConcurrentExecutions=0)
    found = functions.get_function(FunctionName="patched")
    now = found["Configuration"]
    assert "DeadLetterConfig" not in now and now["LoggingConfig"] == group
    assert (now["EphemeralStorage"]["Size"], now["Architectures"]) == (700, ["arm64"])
    assert found["Concurrency"] == {"ReservedConcurrentExecutions": 0}
