"""Taking over what exists, keeping it, and changing a part of a stack: by users who have just the policies for that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from stack_shell import Shell

from tests.recorded_cloud import RecordedCloud

SPEC = """\
stack: $team
variables:
  team: lab
  days: {type: integer, help: how long logs are kept}
resources:
  results: {kind: s3.bucket, name: our-old-bucket, versioning: true, protect: true}
  people: {kind: dynamodb.table, name: our-people, hash_key: id}
  network: {kind: vpc, cidr: 10.10.0.0/24, max_azs: 1}
  web: {kind: security_group, vpc: network, description: by hand, ingress: [{port: 22, source: 10.0.0.0/8}]}
  logs: {kind: logs.group, retention_days: $days}
"""
GIVEN = ("--var", "days=14")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecordedCloud]:
    cloud = RecordedCloud.make(tmp_path_factory.mktemp("adopt"))
    yield cloud
    cloud.stop()


def by_hand(cloud: RecordedCloud) -> dict[str, str]:
    """What somebody made long ago, by the names that it is to have."""
    s3, ec2 = cloud.client("s3"), cloud.client("ec2")
    s3.create_bucket(Bucket="our-old-bucket")
    s3.put_bucket_tagging(Bucket="our-old-bucket", Tagging={"TagSet": [{"Key": "team", "Value": "red"}]})
    s3.put_object(Bucket="our-old-bucket", Key="thesis.pdf", Body=b"years of work")
    attributes = [{"AttributeName": "id", "AttributeType": "S"}]
    keys, rate = [{"AttributeName": "id", "KeyType": "HASH"}], {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
    cloud.client("dynamodb").create_table(
        TableName="our-people", AttributeDefinitions=attributes, KeySchema=keys, ProvisionedThroughput=rate
    )
    vpc = ec2.create_vpc(CidrBlock="10.10.0.0/24")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="web", Description="by hand", VpcId=vpc)["GroupId"]
    return {"results": "our-old-bucket", "people": "our-people", "network": vpc, "web": group}


def test_a_lab_that_was_made_by_hand_becomes_a_stack(cloud: RecordedCloud, tmp_path: Path) -> None:
    root = Shell(tmp_path, cloud.env)
    spec, ids = root.write(SPEC), by_hand(cloud)
    pairs = [f"{name}={id}" for name, id in ids.items()]
    everyday = cloud.user("everyday", root.json("policy", spec, *GIVEN)["documents"])
    lead = cloud.user("lead", root.json("policy", spec, *GIVEN, "--for", "adopt")["documents"])
    shell, adopting = Shell(tmp_path, everyday.env), Shell(tmp_path, lead.env)

    missing = adopting.awsrun("adopt", spec, *pairs, code=1).stderr
    assert "needs a value for the variable days" in missing and "how long logs are kept" in missing
    assert "not authorized" in shell.awsrun("adopt", spec, pairs[2], "--yes", *GIVEN, code=1).stderr
    assert "our-old-bucket exists already" in _failed(shell, spec), "apply takes nothing over by itself"
    assert tags(cloud, ids["network"]) == {}

    asked = adopting.awsrun("adopt", spec, *pairs, *GIVEN, code=1)
    assert "on_demand: false → true" in asked.stdout and "4 resources would be adopted" in asked.stderr
    adopted = adopting.json("adopt", spec, *pairs, "--yes", *GIVEN)["adopted"]
    assert {one["name"]: one["id"] for one in adopted} == ids
    assert {action for action, _ in lead.denied()} == set()
    assert tags(cloud, ids["network"])["awsrun:stack"] == "lab"
    stolen = root.awsrun("adopt", spec, *pairs, "--yes", *GIVEN, "--var", "team=other", code=1).stderr
    assert "it is 'network' of stack 'lab'" in stolen

    part = shell.json("apply", spec, *GIVEN, "--only", "web", "--only", "results", "--yes")
    done = {one["name"]: one["action"] for one in part["applied"]}
    assert done["results"] == done["web"] == done["network"] == "update" and "people" not in done
    rest = shell.json("apply", spec, *GIVEN, "--yes")["applied"]
    assert {one["name"]: one["action"] for one in rest} == {"people": "update", "logs": "create"}
    assert shell.json("plan", spec, *GIVEN)["changes"] == []

    gone = shell.awsrun("teardown", "lab", "--purge", "--yes", code=1).stdout
    assert "kept results (our-old-bucket): it is protected" in gone
    body = cloud.client("s3").get_object(Bucket="our-old-bucket", Key="thesis.pdf")["Body"].read()
    assert body == b"years of work"
    assert cloud.client("dynamodb").list_tables()["TableNames"] == ["awsrun-lab"], "it remembers the name"
    assert everyday.denied() == {one for one in everyday.denied() if one[0] == "ec2:CreateTags"}
    with pytest.raises(ClientError):
        lead.client("s3").delete_object(Bucket="our-old-bucket", Key="thesis.pdf")


def _failed(shell: Shell, spec: str) -> str:
    return shell.awsrun("apply", spec, *GIVEN, "--only", "results", "--yes", code=1).stderr


def tags(cloud: RecordedCloud, id: str) -> dict[str, Any]:
    found = cloud.client("ec2").describe_tags(Filters=[{"Name": "resource-id", "Values": [id]}])["Tags"]
    return {one["Key"]: one["Value"] for one in found}
