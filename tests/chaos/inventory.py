"""What is on a server, read from it with plain boto3 and never with awsrun's code."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

SERVICES = ("apigateway", "batch", "dynamodb", "ec2", "ecr", "ecs", "iam", "lambda", "logs", "s3", "sqs", "ssm")
SHOWN = 5.0  # seconds until the strict cloud of these tests shows everything, and some


def clients_of(endpoint: str) -> dict[str, Any]:
    """boto3's own, which do not give up where calls are throttled and answers lost."""
    config = Config(s3={"addressing_style": "path"}, retries={"mode": "standard", "total_max_attempts": 20})
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
    return {service: session.client(service, endpoint_url=endpoint, config=config) for service in SERVICES}


def make_foreign(clients: dict[str, Any]) -> None:
    """Somebody else's things, with names and a CIDR like those of the stack."""
    trust = '{"Version": "2012-10-17", "Statement": []}'
    keys = {
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    }
    for make in (
        lambda: clients["ec2"].create_vpc(CidrBlock="10.10.0.0/23"),
        lambda: clients["s3"].create_bucket(Bucket="mnist-results-of-others"),
        lambda: clients["s3"].put_bucket_tagging(
            Bucket="mnist-results-of-others", Tagging={"TagSet": [{"Key": "team", "Value": "others"}]}
        ),
        lambda: clients["iam"].create_role(RoleName="mnist-worker", AssumeRolePolicyDocument=trust),
        lambda: clients["ecr"].create_repository(repositoryName="mnist-images-of-others"),
        lambda: clients["logs"].create_log_group(logGroupName="/awsrun/mnist/others"),
        lambda: clients["dynamodb"].create_table(TableName="mnist-others", BillingMode="PAY_PER_REQUEST", **keys),
        lambda: clients["sqs"].create_queue(QueueName="mnist-others"),
        lambda: clients["ssm"].put_parameter(Name="/stacks/mnist/others", Value="a", Type="String"),
        lambda: _api_of_others(clients["apigateway"]),
    ):
        with suppress(ClientError):  # it was made, the answer was lost, and botocore made it again
            make()


def inventory(clients: dict[str, Any]) -> dict[str, list[str]]:
    """Everything on the server that somebody made, ids left out, each with what matters of it."""
    ec2, iam, batch, s3 = (clients[service] for service in ("ec2", "iam", "batch", "s3"))
    vpcs = [one for one in ec2.describe_vpcs()["Vpcs"] if not one["IsDefault"]]
    ours = {one["VpcId"] for one in vpcs}
    groups = [one for one in ec2.describe_security_groups()["SecurityGroups"] if one["VpcId"] in ours]
    tables = [one for one in ec2.describe_route_tables()["RouteTables"] if one["VpcId"] in ours]
    queues = batch.describe_job_queues()["jobQueues"]
    definitions = batch.describe_job_definitions(status="ACTIVE")["jobDefinitions"]
    roles = [one for one in iam.list_roles()["Roles"] if not one["Path"].startswith("/aws-service-role/")]
    found = {
        "vpc": [one["CidrBlock"] for one in vpcs],
        "subnet": [one["CidrBlock"] for one in ec2.describe_subnets()["Subnets"] if one["VpcId"] in ours],
        "gateway": [str(len(one["Attachments"])) for one in ec2.describe_internet_gateways()["InternetGateways"]],
        "routes": [f"{len(one['Routes'])} {len(one['Associations'])}" for one in tables],
        "group": [f"{one['GroupName'].rpartition('-')[0]} {len(one['IpPermissions'])}" for one in groups],
        "endpoint": [
            one["ServiceName"] for one in ec2.describe_vpc_endpoints()["VpcEndpoints"] if one["State"] != "deleted"
        ],
        "nat": [
            f"{one['State']} {len(one['NatGatewayAddresses'])}"
            for one in ec2.describe_nat_gateways()["NatGateways"]
            if one["State"] != "deleted"
        ],
        "address": [f"in use: {'AssociationId' in one}" for one in ec2.describe_addresses()["Addresses"]],
        "template": [
            one["LaunchTemplateName"].rpartition("-")[0] for one in ec2.describe_launch_templates()["LaunchTemplates"]
        ],
        "server": [
            f"{one['InstanceType']} {one['State']['Name']} {len(one['SecurityGroups'])}"
            for reservation in ec2.describe_instances()["Reservations"]
            for one in reservation["Instances"]
            if one["State"]["Name"] != "terminated"
        ],
        "disk": [f"{one['State']} {one['Size']}" for one in ec2.describe_volumes()["Volumes"]],
        "key": [one["KeyName"] for one in ec2.describe_key_pairs()["KeyPairs"]],
        "interface": [
            one["Description"].rpartition(" ")[0] for one in ec2.describe_network_interfaces()["NetworkInterfaces"]
        ],
        "role": [
            f"{one['RoleName']} {iam.list_role_policies(RoleName=one['RoleName'])['PolicyNames']} "
            f"{len(iam.list_attached_role_policies(RoleName=one['RoleName'])['AttachedPolicies'])}"
            for one in roles
        ],
        "profile": [
            f"{one['InstanceProfileName']} {len(one['Roles'])}"
            for one in iam.list_instance_profiles()["InstanceProfiles"]
        ],
        "bucket": [_bucket(s3, one["Name"]) for one in s3.list_buckets()["Buckets"]],
        "table": clients["dynamodb"].list_tables()["TableNames"],
        "repository": [one["repositoryName"] for one in clients["ecr"].describe_repositories()["repositories"]],
        "logs": [one["logGroupName"] for one in clients["logs"].describe_log_groups()["logGroups"]],
        "environment": [
            one["status"] + one["state"] for one in batch.describe_compute_environments()["computeEnvironments"]
        ],
        "queue": [f"{one['jobQueueName']} {one['status']} {len(one['computeEnvironmentOrder'])}" for one in queues],
        "definition": [one["jobDefinitionName"] for one in definitions],
        "function": [_function(clients["lambda"], one) for one in clients["lambda"].list_functions()["Functions"]],
        "api": [_api(clients["apigateway"], one) for one in clients["apigateway"].get_rest_apis()["items"]],
        "messages": _queues(clients["sqs"]),
        "parameter": _parameters(clients["ssm"]),
        **_of_ecs(clients["ecs"]),
    }
    return {kind: sorted(listed) for kind, listed in found.items()}


def _of_ecs(ecs: Any) -> dict[str, list[str]]:
    """Clusters, what runs in them, and every revision, also one that was not deleted to the end."""
    arns = ecs.list_clusters()["clusterArns"] or ["none"]
    clusters = [one for one in ecs.describe_clusters(clusters=arns)["clusters"] if one["status"] == "ACTIVE"]
    services, tasks = [], []
    for one in clusters:
        cluster = one["clusterName"]
        for arn in ecs.list_services(cluster=cluster)["serviceArns"]:
            service = ecs.describe_services(cluster=cluster, services=[arn])["services"][0]
            services.append(f"{service['serviceName']} {service['status']} {service['desiredCount']}")
        tasks += [cluster for _ in ecs.list_tasks(cluster=cluster)["taskArns"]]
    revisions = [
        f"{status} {arn.rpartition('/')[2].partition(':')[0]}"
        for status in ("ACTIVE", "INACTIVE")
        for arn in ecs.list_task_definitions(status=status)["taskDefinitionArns"]
    ]
    names = [f"{one['clusterName']} {sorted(one['capacityProviders'])}" for one in clusters]
    return {"cluster": names, "service": services, "task": tasks, "revision": revisions}


def _bucket(s3: Any, name: str) -> str:
    tags = {one["Key"]: one["Value"] for one in s3.get_bucket_tagging(Bucket=name)["TagSet"]}
    return f"{name} {tags.get('awsrun:stack')} {tags.get('awsrun:name')} {_objects(s3, name)}"


def _objects(s3: Any, name: str) -> list[str]:
    """Each with its content's hash, but for those with ids in them; not while the bucket is not known to every call."""
    try:
        listed = s3.list_objects_v2(Bucket=name).get("Contents", [])
        return [f"{one['Key']} {'' if one['Key'].endswith('.json') else one['ETag']}" for one in listed]
    except s3.exceptions.NoSuchBucket:
        return ["not known yet"]


def _api_of_others(gateway: Any) -> None:
    """One with the name that the stack's has; names are not unique."""
    if not gateway.get_rest_apis()["items"]:
        gateway.create_rest_api(name="mnist-api", tags={"team": "others"})


def _queues(sqs: Any) -> list[str]:
    """Each with its times, where its dead letters go, and whose it is."""
    found = []
    for url in sqs.list_queues().get("QueueUrls", ()):
        try:
            now = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            tags = sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
        except sqs.exceptions.QueueDoesNotExist:
            continue
        times = f"{now['VisibilityTimeout']} {now['MessageRetentionPeriod']}"
        found.append(f"{url.rpartition('/')[2]} {times} {now.get('RedrivePolicy')} {tags.get('awsrun:name')}")
    return found


def _parameters(ssm: Any) -> list[str]:
    """Each with its value; AWS's own, which everybody may read, left out."""
    found = []
    names = (one["Name"] for one in ssm.describe_parameters()["Parameters"])
    for name in (one for one in names if not one.startswith("/aws/")):
        try:
            now = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]
        except ssm.exceptions.ParameterNotFound:
            continue
        found.append(f"{name} {now['Type']} {now['Value']}")
    return found


def _function(functions: Any, one: dict[str, Any]) -> str:
    """Its name, and what may call it; of the API that is there."""
    try:
        policy = json.loads(functions.get_policy(FunctionName=one["FunctionName"])["Policy"])
    except functions.exceptions.ResourceNotFoundException:
        limit = functions.get_function_concurrency(FunctionName=one["FunctionName"]).get("ReservedConcurrentExecutions")
        return f"{one['FunctionName']} {one['CodeSha256']} {one['MemorySize']} {limit}"
    sources = (statement["Condition"]["ArnLike"]["AWS:SourceArn"] for statement in policy["Statement"])
    return f"{one['FunctionName']} {sorted(source.partition('/')[2] for source in sources)}"


def _api(gateway: Any, one: dict[str, Any]) -> str:
    """Its name, methods, stages with what they show, and how many deployments it has."""
    try:
        resources = gateway.get_resources(restApiId=one["id"], embed=["methods"])["items"]
        deployments = {d["id"]: d.get("description") for d in gateway.get_deployments(restApiId=one["id"])["items"]}
        stages = gateway.get_stages(restApiId=one["id"])["item"]
    except gateway.exceptions.NotFoundException:
        return "not known yet"
    methods = sorted(f"{name} {r['path']}" for r in resources for name in r.get("resourceMethods", ()))
    shown = [(s["stageName"], deployments.get(s["deploymentId"]), sorted(s["methodSettings"])) for s in stages]
    return f"{one['name']} {sorted(one.get('tags', ()))} {methods} {shown} {len(deployments)}"


def settle(clients: dict[str, Any]) -> None:
    """Wait until lists show the same for a while."""
    last, same = inventory(clients), 0
    while same < 3:
        time.sleep(0.3)
        now = inventory(clients)
        last, same = now, same + 1 if now == last else 0


def shows(clients: dict[str, Any], wanted: dict[str, list[str]], history: str) -> None:
    """Lists need a moment to show what was just made or deleted; what is there too much would show in the next look."""
    limit = time.monotonic() + SHOWN
    while (found := inventory(clients)) != wanted and time.monotonic() < limit:
        time.sleep(0.2)
    assert found == wanted, history


def remembered(clients: dict[str, Any]) -> int:
    """Intents in the stack's table: one for each resource, or something was forgotten or doubled."""
    names = clients["dynamodb"].list_tables()["TableNames"]
    table = next((one for one in names if one.startswith("awsrun-") and not one.endswith(".runs")), "")
    items = clients["dynamodb"].scan(TableName=table)["Items"] if table else []
    return sum(item["pk"]["S"].startswith("INTENT#") for item in items)
