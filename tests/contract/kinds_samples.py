"""For each kind: what to make, and every way in which it may differ and be mended in place."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from awsrun.resources.apigateway_definition import APART
from awsrun.resources.registry import kind
from awsrun.spec.references import ResourceSpec

Specs = Mapping[str, ResourceSpec]
Client = Callable[[str], Any]


@dataclass(frozen=True)
class Edit:
    """One change.

    Attributes:
        what: for the test's name.
        fields: the State fields that must then differ, all in place.
        specs: what the user wants instead.
        by_hand: what somebody does behind our back, given a maker of clients and the resource's id.
    """

    what: str
    fields: frozenset[str]
    specs: Specs | None = None
    by_hand: Callable[[Client, str], Any] | None = None


@dataclass(frozen=True)
class Sample:
    """What to make, the node that is looked at, and its edits."""

    specs: Specs
    node: str
    edits: tuple[Edit, ...]

    @property
    def kind(self) -> str:
        expanded: dict[str, ResourceSpec] = {}
        for name, spec in self.specs.items():
            expanded |= kind(spec.kind)(None).expand(name, spec)  # type: ignore[arg-type]
        return expanded[self.node].kind


def spec(kind_name: str, **fields: Any) -> ResourceSpec:
    """What a user writes."""
    return kind(kind_name).Spec.model_validate({"kind": kind_name, **fields})


def wants(what: str, fields: str, **specs: ResourceSpec) -> Edit:
    return Edit(what, frozenset(fields.split()), specs=specs)


def hand(what: str, fields: str, act: Callable[[Client, str], Any]) -> Edit:
    return Edit(what, frozenset(fields.split()), by_hand=act)


VPC = spec("vpc", cidr="10.10.0.0/23", max_azs=1)
BUCKET = spec("s3.bucket")
ROLE = spec("iam.role", service="ecs-tasks")
WEB = spec("security_group", vpc="network")
COMPUTE = spec("batch.compute_environment", vpc="network", instance_types=["c5.large"], max_vcpus=8)
SPOT = spec("batch.compute_environment", vpc="network", instance_types=["c5.large"], max_vcpus=8, spot=True)
OWNED = spec(
    "batch.compute_environment", vpc="network", instance_types=["c5.large"], max_vcpus=8, service_role="service"
)
FARGATE = spec("batch.compute_environment", vpc="network", fargate=True, max_vcpus=8)
QUEUE = spec("sqs.queue")
HELLO = "def handler(event, context):\n    return event\n"
FUNCTION: dict[str, Any] = {"code": HELLO, "read": ["people"], "dead_letter": "lost"}
AROUND: dict[str, ResourceSpec] = {"people": spec("dynamodb.table", hash_key="id"), "lost": QUEUE}
OPEN = {"CidrIp": "198.51.100.0/24"}
SSH = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [OPEN]}
OTHER_LIFECYCLE = {"ID": "mine", "Status": "Enabled", "Filter": {"Prefix": "x"}, "Expiration": {"Days": 9}}
OTHER_IMAGES = (
    '{"rules": [{"rulePriority": 7, "action": {"type": "expire"}, "selection": {"tagStatus": "untagged", '
    '"countType": "imageCountMoreThan", "countNumber": 3}}]}'
)
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJPkV0sT9dG7fB5mLrX1yQeHnZaWcUoK2v8iE6tRpSgD me@laptop"
EMPTY_ZIP = b"PK\x05\x06" + bytes(18)
SQS = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"


def _detach(client: Client, id: str) -> None:
    ec2 = client("ec2")
    attached = ec2.describe_internet_gateways(InternetGatewayIds=[id])["InternetGateways"][0]["Attachments"]
    ec2.detach_internet_gateway(InternetGatewayId=id, VpcId=attached[0]["VpcId"])


def _disassociate(client: Client, id: str) -> None:
    for one in client("ec2").describe_route_tables(RouteTableIds=[id])["RouteTables"][0]["Associations"]:
        client("ec2").disassociate_route_table(AssociationId=one["RouteTableAssociationId"])


def _to_main_table(client: Client, id: str) -> None:
    """Its subnets are moved to the VPC's own table, which is the stack's by its tag."""
    ec2 = client("ec2")
    (table,) = ec2.describe_route_tables(RouteTableIds=[id])["RouteTables"]
    mine = [{"Name": "vpc-id", "Values": [table["VpcId"]]}, {"Name": "association.main", "Values": ["true"]}]
    (main,) = ec2.describe_route_tables(Filters=mine)["RouteTables"]
    stack = [tag for tag in table["Tags"] if tag["Key"] == "awsrun:stack"]
    ec2.create_tags(Resources=[main["RouteTableId"]], Tags=stack)
    for one in table["Associations"]:
        association = one["RouteTableAssociationId"]
        ec2.replace_route_table_association(AssociationId=association, RouteTableId=main["RouteTableId"])


def _elsewhere(client: Client, id: str) -> None:
    """Its route leads to another gateway."""
    other = client("ec2").create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    client("ec2").replace_route(RouteTableId=id, DestinationCidrBlock="0.0.0.0/0", GatewayId=other)


def _forget_tables(client: Client, id: str) -> None:
    tables = client("ec2").describe_vpc_endpoints(VpcEndpointIds=[id])["VpcEndpoints"][0]["RouteTableIds"]
    client("ec2").modify_vpc_endpoint(VpcEndpointId=id, RemoveRouteTableIds=tables)


def _forget_interfaces(client: Client, id: str) -> None:
    endpoint = client("ec2").describe_vpc_endpoints(VpcEndpointIds=[id])["VpcEndpoints"][0]
    client("ec2").modify_vpc_endpoint(VpcEndpointId=id, RemoveSubnetIds=endpoint["SubnetIds"])


def _forget_groups(client: Client, id: str) -> None:
    endpoint = client("ec2").describe_vpc_endpoints(VpcEndpointIds=[id])["VpcEndpoints"][0]
    groups = [group["GroupId"] for group in endpoint["Groups"]]
    client("ec2").modify_vpc_endpoint(VpcEndpointId=id, RemoveSecurityGroupIds=groups)


def _leave(client: Client, id: str) -> None:
    profile = client("iam").get_instance_profile(InstanceProfileName=id)["InstanceProfile"]
    client("iam").remove_role_from_instance_profile(InstanceProfileName=id, RoleName=profile["Roles"][0]["RoleName"])


def _ingress(*rules: dict[str, Any]) -> ResourceSpec:
    return spec("security_group", vpc="network", ingress=list(rules))


def _route_out(client: Client, id: str) -> None:
    ec2 = client("ec2")
    vpc = ec2.describe_route_tables(RouteTableIds=[id])["RouteTables"][0]["VpcId"]
    attached = {"Name": "attachment.vpc-id", "Values": [vpc]}
    gateway = ec2.describe_internet_gateways(Filters=[attached])["InternetGateways"][0]["InternetGatewayId"]
    ec2.create_route(RouteTableId=id, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)


def _disallow(client: Client, id: str) -> None:
    """Its functions let it call them no more."""
    functions = client("lambda")
    for name in (one["FunctionName"] for one in functions.list_functions()["Functions"]):
        try:
            statements = json.loads(functions.get_policy(FunctionName=name)["Policy"])["Statement"]
        except functions.exceptions.ResourceNotFoundException:
            continue
        for one in statements:
            if f":{id}/" in one["Condition"]["ArnLike"]["AWS:SourceArn"]:
                functions.remove_permission(FunctionName=name, StatementId=one["Sid"])


def _second_stage(client: Client, id: str) -> None:
    gateway = client("apigateway")
    shown = gateway.get_stage(restApiId=id, stageName="live")["deploymentId"]
    gateway.create_stage(restApiId=id, stageName="old", deploymentId=shown)


def _methodless(client: Client, id: str) -> None:
    for one in client("apigateway").get_resources(restApiId=id)["items"]:
        if "GET" in one.get("resourceMethods", {}):
            client("apigateway").delete_method(restApiId=id, resourceId=one["id"], httpMethod="GET")


MANY = {f"GET /items/{number}": "ask" for number in range(APART + 1)}


def _api(**fields: Any) -> ResourceSpec:
    routes = {"GET /items": "ask", "PATCH /items/{id}": "ask", "ANY /rest/{path+}": "tell"}
    return spec("apigateway.rest_api", **{"routes": routes, "cors": True, **fields})


def _patched(path: str, value: str) -> Callable[[Client, str], Any]:
    """Its stage is changed, or where there is no such setting the API itself."""
    edits = [{"op": "replace", "path": path, "value": value}]

    def act(client: Client, id: str) -> None:
        if path == "/name":
            client("apigateway").update_rest_api(restApiId=id, patchOperations=edits)
        else:
            client("apigateway").update_stage(restApiId=id, stageName="live", patchOperations=edits)

    return act


WAIT = spec("ecs.task_definition", command=["sleep", "600"], stop_timeout="2s")
KEEPER = spec("ecs.service", cluster="tasks", task_definition="wait", vpc="network", desired_count=0)


def _keeper(**fields: Any) -> ResourceSpec:
    return KEEPER.model_copy(update=fields)


def _change_groups(client: Client, id: str) -> None:
    """It is in the VPC's default group instead."""
    ec2 = client("ec2")
    vpc = ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]["VpcId"]
    default = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    (group,) = ec2.describe_security_groups(Filters=default)["SecurityGroups"]
    ec2.modify_instance_attribute(InstanceId=id, Groups=[group["GroupId"]])


def _let_go(client: Client, id: str) -> None:
    """Its Elastic IP is taken away."""
    held = client("ec2").describe_addresses(Filters=[{"Name": "instance-id", "Values": [id]}])["Addresses"]
    client("ec2").disassociate_address(AssociationId=held[0]["AssociationId"])


def _another_disk(client: Client, id: str) -> None:
    attached = [{"Name": "attachment.instance-id", "Values": [id]}]
    (volume,) = client("ec2").describe_volumes(Filters=attached)["Volumes"]
    client("ec2").modify_volume(VolumeId=volume["VolumeId"], VolumeType="gp2")


def _server(**fields: Any) -> ResourceSpec:
    return spec("ec2.instance", vpc="network", **fields)


SITE_FOLDER = Path(__file__).parent / "site"
TOLD = {"table": "visitors.name", "title": "Hello"}


def _site(**fields: Any) -> ResourceSpec:
    return spec("s3.site", **{"folder": str(SITE_FOLDER), "config": TOLD, **fields})


def _redirected(client: Any, id: str) -> None:
    client("s3").put_bucket_website(
        Bucket=id, WebsiteConfiguration={"RedirectAllRequestsTo": {"HostName": "example.com"}}
    )


def _widened(client: Any, id: str) -> None:
    listing = {"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{id}"}
    client("s3").put_bucket_policy(Bucket=id, Policy=json.dumps({"Version": "2012-10-17", "Statement": [listing]}))


def _given_away(client: Any, id: str) -> None:
    rule = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    client("s3").put_bucket_ownership_controls(Bucket=id, OwnershipControls=rule)


def _closed(client: Any, id: str) -> None:
    keys = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    client("s3").put_public_access_block(Bucket=id, PublicAccessBlockConfiguration=dict.fromkeys(keys, True))


NETWORK = {"network": VPC}
NAT = {"network": VPC.model_copy(update={"private": "nat"})}
SHUT = {"network": VPC.model_copy(update={"private": "endpoints"})}
SAMPLES = (
    Sample(
        NETWORK,
        "network",
        (
            hand(
                "names switched off",
                "dns_hostnames",
                lambda client, id: client("ec2").modify_vpc_attribute(VpcId=id, EnableDnsHostnames={"Value": False}),
            ),
        ),
    ),
    Sample(NETWORK, "network/gateway", (hand("detached", "vpc_id", _detach),)),
    Sample(
        NETWORK,
        "network/public-0",
        (
            hand(
                "no public addresses",
                "public_addresses",
                lambda client, id: client("ec2").modify_subnet_attribute(
                    SubnetId=id, MapPublicIpOnLaunch={"Value": False}
                ),
            ),
        ),
    ),
    Sample(
        NETWORK,
        "network/routes",
        (
            wants("a second zone", "subnets", network=spec("vpc", cidr="10.10.0.0/23", max_azs=2)),
            hand("disassociated", "subnets", _disassociate),
            hand("its subnets on another table", "subnets", _to_main_table),
            hand("its route elsewhere", "gateway", _elsewhere),
            hand(
                "its route deleted",
                "gateway",
                lambda client, id: client("ec2").delete_route(RouteTableId=id, DestinationCidrBlock="0.0.0.0/0"),
            ),
        ),
    ),
    Sample(
        NETWORK,
        "network/s3",
        (
            hand("off its route table", "route_tables", _forget_tables),
            wants("private subnets", "route_tables", **NAT),
        ),
    ),
    Sample(NAT, "network/nat-address", ()),
    Sample(NAT, "network/nat", ()),
    Sample(
        NAT,
        "network/nat-routes",
        (
            wants("a second zone", "subnets", network=spec("vpc", cidr="10.10.0.0/23", max_azs=2, private="nat")),
            hand(
                "its route deleted",
                "gateway",
                lambda client, id: client("ec2").delete_route(RouteTableId=id, DestinationCidrBlock="0.0.0.0/0"),
            ),
        ),
    ),
    Sample(
        NAT,
        "network/private-0",
        (
            hand(
                "public addresses",
                "public_addresses",
                lambda client, id: client("ec2").modify_subnet_attribute(
                    SubnetId=id, MapPublicIpOnLaunch={"Value": True}
                ),
            ),
        ),
    ),
    Sample(SHUT, "network/endpoint-routes", (hand("a way out", "gateway", _route_out),)),
    Sample(
        SHUT,
        "network/ecr-dkr",
        (
            wants(
                "in every zone",
                "subnets",
                network=spec("vpc", cidr="10.10.0.0/23", max_azs=2, private="endpoints", private_per_az=True),
            ),
            hand("in no subnet", "subnets", _forget_interfaces),
            hand("in no group", "groups", _forget_groups),
            hand(
                "without private DNS",
                "private_dns",
                lambda client, id: client("ec2").modify_vpc_endpoint(VpcEndpointId=id, PrivateDnsEnabled=False),
            ),
        ),
    ),
    Sample(
        {**NETWORK, "web": WEB, "app": WEB},
        "app",
        (
            wants("a port", "ingress", app=_ingress({"port": 22, "from": "203.0.113.0/24"})),
            wants("my address", "ingress", app=_ingress({"port": 22, "from": "my-address"})),
            wants("another group", "ingress", app=_ingress({"port": "8000-8010", "from_group": "web"})),
            wants("its own", "ingress", app=_ingress({"port": "all", "protocol": "all", "from": "self"})),
            wants("IPv6", "ingress", app=_ingress({"port": 443, "from": "2001:db8::/32"})),
            wants("pings", "ingress", app=_ingress({"port": "all", "protocol": "icmp", "from": "anywhere"})),
            wants("all of TCP", "ingress", app=_ingress({"port": "all", "from": "10.0.0.0/8"})),
            hand(
                "opened",
                "ingress",
                lambda client, id: client("ec2").authorize_security_group_ingress(GroupId=id, IpPermissions=[SSH]),
            ),
            hand(
                "egress opened",
                "egress",
                lambda client, id: client("ec2").authorize_security_group_egress(GroupId=id, IpPermissions=[SSH]),
            ),
            hand(
                "egress shut",
                "egress",
                lambda client, id: client("ec2").revoke_security_group_egress(
                    GroupId=id, IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
                ),
            ),
        ),
    ),
    Sample(
        {"results": BUCKET, "worker": ROLE},
        "worker",
        (
            wants("another service", "trust", worker=spec("iam.role", service=["ec2", "lambda"])),
            wants("a grant", "policy", worker=spec("iam.role", service="ecs-tasks", read_write=["results"])),
            wants("the runs table", "policy", worker=spec("iam.role", service="ecs-tasks", jobs=True)),
            wants(
                "a managed policy",
                "managed",
                worker=spec("iam.role", service="ecs-tasks", managed_policies=["AmazonS3ReadOnlyAccess"]),
            ),
            hand(
                "a policy attached",
                "managed",
                lambda client, id: client("iam").attach_role_policy(RoleName=id, PolicyArn=SQS),
            ),
            hand(
                "rights widened",
                "policy",
                lambda client, id: client("iam").put_role_policy(
                    RoleName=id,
                    PolicyName="awsrun",
                    PolicyDocument='{"Version": "2012-10-17", "Statement": '
                    '{"Effect": "Allow", "Action": "*", "Resource": "*"}}',
                ),
            ),
        ),
    ),
    Sample(
        {"one": spec("iam.role", service="ec2"), "two": spec("iam.role", service="ec2"),
         "profile": spec("iam.instance_profile", role="one")},
        "profile",
        (
            wants("another role", "role", profile=spec("iam.instance_profile", role="two")),
            hand("its role taken", "role", _leave),
        ),
    ),
    Sample(
        {"results": BUCKET},
        "results",
        (
            wants("versions", "versioning", results=spec("s3.bucket", versioning=True)),
            wants("expiry", "expire_days", results=spec("s3.bucket", expire_days=3)),
            hand(
                "opened to the public",
                "private",
                lambda client, id: client("s3").delete_public_access_block(Bucket=id),
            ),
            hand(
                "another lifecycle",
                "expire_days",
                lambda client, id: client("s3").put_bucket_lifecycle_configuration(
                    Bucket=id, LifecycleConfiguration={"Rules": [OTHER_LIFECYCLE]}
                ),
            ),
        ),
    ),
    Sample(
        {"visitors": spec("dynamodb.table", hash_key="id"), "page": _site()},
        "page",
        (
            wants("an error page", "error", page=_site(error="sub/lost.html")),
            wants("another first page", "index", page=_site(index="style.css")),
            wants("other files", "files", page=_site(folder=str(SITE_FOLDER / "sub"))),
            wants("the page told something else", "files", page=_site(config={"table": "visitors.arn"})),
            wants("files kept by browsers", "files", page=_site(cache="1h")),
            hand("written over", "files", lambda client, id: client("s3").put_object(Bucket=id, Key="style.css")),
            hand(
                "a file deleted",
                "files",
                lambda client, id: client("s3").delete_object(Bucket=id, Key="sub/index.html"),
            ),
            hand("redirected", "index", _redirected),
            hand("no website", "index", lambda client, id: client("s3").delete_bucket_website(Bucket=id)),
            hand("closed", "blocks", _closed),
            hand("open to lists", "policy", _widened),
            hand("its objects given away", "owner_enforced", _given_away),
        ),
    ),
    Sample(
        {"table": spec("dynamodb.table", hash_key="id", range_key="at", range_type="N")},
        "table",
        (
            wants(
                "a TTL",
                "ttl",
                table=spec("dynamodb.table", hash_key="id", range_key="at", range_type="N", ttl="expires"),
            ),
            hand(
                "paid by capacity",
                "on_demand",
                lambda client, id: client("dynamodb").update_table(
                    TableName=id,
                    BillingMode="PROVISIONED",
                    ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
                ),
            ),
        ),
    ),
    Sample(
        {"images": spec("ecr.repository")},
        "images",
        (
            wants("images expire", "keep", images=spec("ecr.repository", keep=5)),
            wants("no scans", "scan", images=spec("ecr.repository", scan=False)),
            hand(
                "another lifecycle",
                "keep",
                lambda client, id: client("ecr").put_lifecycle_policy(
                    repositoryName=id, lifecyclePolicyText=OTHER_IMAGES
                ),
            ),
        ),
    ),
    Sample(
        {"images": spec("ecr.repository", purge=True),
         "train_image": spec("ecr.image", repository="images", context=str(Path(__file__).parent / "image"))},
        "train_image",
        (),
    ),
    Sample(
        {"logs": spec("logs.group")},
        "logs",
        (
            wants("kept longer", "retention_days", logs=spec("logs.group", retention_days=90)),
            hand(
                "kept for ever",
                "retention_days",
                lambda client, id: client("logs").delete_retention_policy(logGroupName=id),
            ),
        ),
    ),
    Sample(
        {**NETWORK, "compute": COMPUTE},
        "compute",
        (
            wants("more vCPUs", "max_vcpus", compute=COMPUTE.model_copy(update={"max_vcpus": 16})),
            hand(
                "disabled",
                "enabled",
                lambda client, id: client("batch").update_compute_environment(computeEnvironment=id, state="DISABLED"),
            ),
        ),
    ),
    Sample(
        {**NETWORK, "service": spec("iam.role", service="batch", managed_policies=["service-role/AWSBatchServiceRole"]),
         "owned": OWNED},
        "owned",
        (wants("more vCPUs", "max_vcpus", owned=OWNED.model_copy(update={"max_vcpus": 16})),),
    ),
    Sample(
        {**NETWORK, "burst": FARGATE},
        "burst",
        (wants("more vCPUs", "max_vcpus", burst=FARGATE.model_copy(update={"max_vcpus": 32})),),
    ),
    Sample(
        {**NETWORK, "compute": COMPUTE, "spare": SPOT,
         "queue": spec("batch.job_queue", compute_environments=["compute"])},
        "queue",
        (
            wants("priority", "priority", queue=spec("batch.job_queue", compute_environments=["compute"], priority=7)),
            wants(
                "a second environment",
                "compute_environments",
                queue=spec("batch.job_queue", compute_environments=["spare", "compute"]),
            ),
            hand(
                "disabled",
                "enabled",
                lambda client, id: client("batch").update_job_queue(jobQueue=id, state="DISABLED"),
            ),
        ),
    ),
    Sample(
        {"worker": ROLE, "images": spec("ecr.repository"),
         "train": spec("batch.job_definition", vcpus=4, gpus=1, memory_mib=12000, timeout="2h", role="worker",
                       repository="images", command=["python", "-c", "pass"], environment={"A": "1"}, attempts=3)},
        "train",
        (),
    ),
    Sample(
        {"loader": spec("batch.job_definition", memory_mib=2048, shared_memory_mib=512, image="python:3.11")},
        "loader",
        (),
    ),
    Sample(
        {"small": spec("batch.job_definition", vcpus=0.25, memory_mib=512, fargate=True, image="python:3.11")},
        "small",
        (),
    ),
    Sample(
        {"inner": spec("batch.job_definition", memory_mib=2048, fargate=True, image="a", public_address=False)},
        "inner",
        (),
    ),
    Sample({**NAT, "hidden": COMPUTE}, "hidden", ()),
    Sample({"key": spec("key_pair")}, "key", ()),
    Sample({"mine": spec("key_pair", public_key=PUBLIC_KEY)}, "mine", ()),
    Sample({"address": spec("elastic_ip")}, "address", ()),
    Sample(
        {**NETWORK, "web": WEB, "address": spec("elastic_ip"), "may": spec("iam.role", service="ec2"),
         "profile": spec("iam.instance_profile", role="may"),
         "server": _server(elastic_ip="address", role="may", stop_when_idle=30, user_data="#!/bin/sh\necho hello\n")},
        "server",
        (
            wants(
                "a larger type",
                "type",
                server=_server(elastic_ip="address", role="may", stop_when_idle=30, instance_type="t3.small",
                               user_data="#!/bin/sh\necho hello\n"),
            ),
            wants(
                "all else",
                "groups profile elastic_ip stop_when_idle user",
                server=_server(security_groups=["web"], instance_profile="profile", user="me",
                               user_data="#!/bin/sh\necho hello\n"),
            ),
            wants(
                "without a role",
                "profile",
                server=_server(elastic_ip="address", stop_when_idle=30, user_data="#!/bin/sh\necho hello\n"),
            ),
            hand("in another group", "groups", _change_groups),
            hand("without its address", "elastic_ip", _let_go),
            hand(
                "left over from a change of its type",
                "held",
                lambda client, id: client("ec2").create_tags(
                    Resources=[id], Tags=[{"Key": "awsrun:held", "Value": "true"}]
                ),
            ),
            hand("with another disk", "disk_type", _another_disk),
            hand(
                "with IMDSv1",
                "imdsv2",
                lambda client, id: client("ec2").modify_instance_metadata_options(
                    InstanceId=id, HttpTokens="optional", HttpEndpoint="enabled"
                ),
            ),
        ),
    ),
    Sample(
        {**NETWORK, "key": spec("key_pair"),
         "gpu": _server(key_pair="key", instance_type="g4dn.xlarge", ami="deep-learning", spot=True)},
        "gpu",
        (),
    ),
    Sample({"template": spec("ec2.launch_template", disk_gib=200)}, "template", ()),
    Sample(
        {"lost": QUEUE, "work": QUEUE},
        "work",
        (
            wants("times", "visibility retention wait delay",
                  work=spec("sqs.queue", visibility="5m", retention="1d", wait=0, delay="1m")),
            wants("dead letters", "dead_letter max_receives", work=spec("sqs.queue", dead_letter="lost")),
            hand(
                "in the clear",
                "encrypted",
                lambda client, id: client("sqs").set_queue_attributes(
                    QueueUrl=client("sqs").get_queue_url(QueueName=id)["QueueUrl"],
                    Attributes={"SqsManagedSseEnabled": "false"},
                ),
            ),
        ),
    ),
    Sample({"lines": spec("sqs.queue", fifo=True)}, "lines",
           (wants("deduplication", "deduplicate", lines=spec("sqs.queue", fifo=True, deduplicate=True)),)),
    Sample(
        {**AROUND, "other": spec("iam.role", service="lambda"), "ask": spec("lambda.function", **FUNCTION)},
        "ask",
        (
            wants("code", "package", ask=spec("lambda.function", **{**FUNCTION, "code": f"{HELLO}\n"})),
            wants("another file", "package handler", ask=spec("lambda.function", **FUNCTION, handler="main.handler")),
            wants("another machine", "architecture", ask=spec("lambda.function", **FUNCTION, architecture="x86_64")),
            wants(
                "everything else",
                "runtime memory_mib timeout storage_mib environment reserved",
                ask=spec("lambda.function", **FUNCTION, runtime="python3.12", memory_mib=256, timeout="1m",
                         storage_mib=1024, environment={"TABLE": "people.name", "SIZE": 3, "ON": True}, reserved=0),
            ),
            wants("no queue", "dead_letter", ask=spec("lambda.function", code=HELLO, read=["people"])),
            wants("another role", "role", ask=spec("lambda.function", code=HELLO, role="other", dead_letter="lost")),
            hand(
                "code of somebody else",
                "package",
                lambda client, id: client("lambda").update_function_code(FunctionName=id, ZipFile=EMPTY_ZIP),
            ),
            hand(
                "its own log group",
                "log_group",
                lambda client, id: client("lambda").update_function_configuration(
                    FunctionName=id, LoggingConfig={"LogFormat": "Text", "LogGroup": f"/aws/lambda/{id}"}
                ),
            ),
        ),
    ),
    Sample({**NETWORK, "inside": spec("lambda.function", code=HELLO, vpc="network", subnets="public")}, "inside", ()),
    Sample(
        {"people": spec("dynamodb.table", hash_key="id"), "setting": spec("ssm.parameter", value="a")},
        "setting",
        (
            wants("another value", "value", setting=spec("ssm.parameter", value=3)),
            wants("an output", "value", setting=spec("ssm.parameter", value="people.name")),
        ),
    ),
    Sample(
        {"secret": spec("ssm.parameter", type="SecureString", value_file=__file__.replace(".py", "_secret.txt"))},
        "secret",
        (
            wants("another secret", "value",
                  secret=spec("ssm.parameter", type="SecureString",
                              value_file=__file__.replace("kinds_samples.py", "image/Dockerfile"))),
            hand(
                "a secret of somebody else",
                "value",
                lambda client, id: client("ssm").put_parameter(
                    Name=id, Value="theirs", Type="SecureString", Overwrite=True
                ),
            ),
        ),
    ),
    Sample({"boxed": spec("lambda.function", image="123456789012.dkr.ecr.us-east-1.amazonaws.com/a:b")}, "boxed",
           (wants("an image", "image",
                  boxed=spec("lambda.function", image="123456789012.dkr.ecr.us-east-1.amazonaws.com/a:c")),)),
    Sample(
        {"ask": spec("lambda.function", code=HELLO), "tell": spec("lambda.function", code=HELLO), "api": _api()},
        "api",
        (
            wants("a route less", "routes permissions deployed", api=_api(routes={"GET /items": "ask"})),
            wants("a route elsewhere", "routes permissions deployed", api=_api(routes={"GET /items": "tell"})),
            wants("more routes than permissions", "routes permissions deployed", api=_api(routes=MANY)),
            wants("no CORS", "cors deployed", api=_api(cors=False)),
            wants("one origin", "cors deployed", api=_api(cors={"origin": "https://example.org", "headers": ["X-A"]})),
            wants("another stage", "stage permissions", api=_api(stage="next")),
            wants("limits", "rate burst", api=_api(rate=0.5, burst=2)),
            hand("another name", "title", _patched("/name", "other")),
            hand("unlimited", "rate", _patched("/*/*/throttling/rateLimit", "9000")),
            hand("a method deleted", "routes cors", _methodless),
            hand("its permissions taken", "permissions", _disallow),
            hand("a second stage", "stage deployed", _second_stage),
            hand(
                "errors no page sees",
                "cors",
                lambda client, id: client("apigateway").delete_gateway_response(
                    restApiId=id, responseType="DEFAULT_4XX"
                ),
            ),
            hand(
                "something deployed",
                "deployed spare",
                lambda client, id: client("apigateway").create_deployment(restApiId=id, stageName="live"),
            ),
        ),
    ),
    Sample(
        {"tasks": spec("ecs.cluster")},
        "tasks",
        (
            wants("metrics of its tasks", "insights", tasks=spec("ecs.cluster", insights=True)),
            hand(
                "without capacity",
                "providers",
                lambda client, id: client("ecs").put_cluster_capacity_providers(
                    cluster=id, capacityProviders=[], defaultCapacityProviderStrategy=[]
                ),
            ),
        ),
    ),
    Sample(
        {"answers": spec("dynamodb.table", hash_key="id"), "worker": ROLE,
         "ask": spec("ecs.task_definition", vcpus=1, memory_mib=4096, role="worker", command=["python", "-c", "pass"],
                     environment={"TABLE": "answers.name", "LIMIT": 5}, storage_gib=40, stop_timeout="60s", log_days=7,
                     architecture="arm64")},
        "ask",
        (),
    ),
    Sample(
        {**NETWORK, "tasks": spec("ecs.cluster"), "wait": WAIT, "other": WAIT.model_copy(update={"vcpus": 0.5,
         "memory_mib": 1024}), "keeper": KEEPER, "inside": WEB},
        "keeper",
        (
            wants("a task", "desired_count", keeper=_keeper(desired_count=1)),
            wants("another definition", "task_definition vcpus memory_mib", keeper=_keeper(task_definition="other")),
            wants("spot", "spot", keeper=_keeper(spot=True)),
            wants("another group", "security_groups", keeper=_keeper(security_groups=["inside"])),
            wants("no way back", "roll_back", keeper=_keeper(roll_back=False)),
            hand(
                "scaled",
                "desired_count",
                lambda client, id: client("ecs").update_service(
                    cluster=id.split("/")[1], service=id, desiredCount=1
                ),
            ),
        ),
    ),
)  # fmt: skip
