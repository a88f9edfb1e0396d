"""Who has only the rights of ``awsrun ssh`` can log in to one stack's servers, start and open them, and no others."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from awsrun.aws import stacks
from awsrun.aws.clients import Cloud
from awsrun.aws.context import LOCAL
from awsrun.aws.documents import documents
from awsrun.aws.stacks import StackRecord
from awsrun.resources.security_group import ADDRESS_TAG
from awsrun.ssh import machine as machines
from awsrun.ssh import reach, rights
from awsrun.ssh.identity import identity
from awsrun.ssh.machine import Machine
from awsrun.ssh.waiting import Wait
from tests.conftest import LocalCloud
from tests.contract.kinds_bench import Bench
from tests.contract.kinds_samples import PUBLIC_KEY, spec
from tests.contract.strict_bench import refused, unique

SPECS = {
    "network": spec("vpc", max_azs=1),
    "key": spec("key_pair", public_key=PUBLIC_KEY),
    "open": spec("security_group", vpc="network", ingress=[{"port": 22, "from": "my-address"}]),
}
WAIT = Wait(pause=0.01)


def server(root: Cloud, stack: str) -> Machine:
    """A stack with a stopped server, made by root."""
    bench = Bench(root, stack, SPECS)
    bench.make()
    root.write("dynamodb").create_table(
        TableName=f"awsrun-{stack}",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    stacks.write(root, StackRecord(stack, {"web": {"user": "ubuntu"}}, complete=True))
    tags = {"awsrun:stack": stack, "awsrun:name": "web", "awsrun:kind": machines.INSTANCE}
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    ec2 = root.write("ec2")
    (made,) = ec2.run_instances(
        ImageId=ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"],
        InstanceType="t3.micro",
        KeyName=bench.ids["key"],
        SecurityGroupIds=[bench.ids["open"]],
        SubnetId=bench.ids["network/public-0"],
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": listed}],
    )["Instances"]
    ec2.stop_instances(InstanceIds=[made["InstanceId"]])
    ec2.create_tags(Resources=[bench.ids["open"]], Tags=[{"Key": ADDRESS_TAG, "Value": "198.51.100.7/32"}])
    old = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "198.51.100.7/32"}]}]
    ec2.authorize_security_group_ingress(GroupId=bench.ids["open"], IpPermissions=old)
    return machines.find(root, f"{stack}/web")


def user(cloud: LocalCloud, stack: str) -> Cloud:
    """A user who has just the rights of ``awsrun ssh`` for a stack."""
    iam = cloud.client("iam")
    iam.create_user(UserName=stack)
    (document,) = documents(rights.rights(Cloud(None, LOCAL, None), stack))
    iam.put_user_policy(UserName=stack, PolicyName="ssh", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=stack)["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=LOCAL.region)
    return Cloud(session, LOCAL, cloud.endpoint)


def test_one_stack_s_servers_and_no_others(iam_cloud: LocalCloud) -> None:
    session: Any = boto3.Session("local", "local", region_name=LOCAL.region)
    root = Cloud(session, LOCAL, iam_cloud.endpoint)
    mine, other = (server(root, unique("s")) for _ in range(2))
    cloud = user(iam_cloud, mine.stack)

    found = machines.find(cloud, mine.whole_name)
    assert found == mine and machines.user(cloud, found) == "ubuntu"
    assert identity(cloud, found) is None, "only the public half is known"
    assert machines.start(cloud, found, WAIT).state == "running"
    assert reach.let_me_in(cloud, found) == "127.0.0.1"
    reach.check_let_in(cloud, found, 22)

    refused("UnauthorizedOperation", machines.start, cloud=cloud, machine=other, wait=WAIT)
    refused("UnauthorizedOperation", reach.let_me_in, cloud=cloud, machine=other)
    refused("AccessDeniedException", machines.user, cloud=cloud, machine=other)
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        cloud.write("ec2").stop_instances(InstanceIds=[mine.id])
