"""What the embedded cloud acknowledged is there after a stop and after a kill -9, whenever that comes."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.conftest import LocalCloud

PATIENCE = 60.0  # seconds


def kill(cloud: LocalCloud) -> None:
    pid = cloud.status()["pid"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not _alive(pid))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z" if Path("/proc").exists() else True


def eventually(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it never happened")


def make_table(cloud: LocalCloud, name: str = "t") -> Any:
    dynamodb = cloud.client("dynamodb")
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
    )
    return dynamodb


def everything(cloud: LocalCloud) -> str:
    """What several services say of themselves, ids and times included."""
    ec2, s3, iam = cloud.client("ec2"), cloud.client("s3"), cloud.client("iam")
    said = [
        ec2.describe_vpcs()["Vpcs"],
        ec2.describe_subnets()["Subnets"],
        ec2.describe_vpc_endpoints()["VpcEndpoints"],
        ec2.describe_volumes()["Volumes"],
        iam.list_roles()["Roles"],
        s3.list_objects_v2(Bucket="keep-it")["Contents"],
        [s3.get_object(Bucket="keep-it", Key=key)["Body"].read().hex()[:40] for key in ("small", "large", "parts")],
        s3.list_multipart_uploads(Bucket="keep-it").get("Uploads"),
        s3.get_bucket_tagging(Bucket="keep-it")["TagSet"],
        cloud.client("ecr").describe_repositories()["repositories"],
        cloud.client("logs").describe_log_groups()["logGroups"],
        cloud.client("dynamodb").describe_table(TableName="t")["Table"],
        cloud.client("ssm").get_parameter(Name="mine")["Parameter"]["Value"],
        cloud.client("batch").describe_compute_environments()["computeEnvironments"],
        cloud.client("lambda").list_functions(FunctionVersion="ALL")["Functions"],
    ]
    return json.dumps(said, default=str, sort_keys=True)


def test_ids_times_and_contents_are_the_same_after_kill_and_stop(fresh_cloud: LocalCloud) -> None:
    cloud = fresh_cloud
    make_table(cloud)
    ec2, s3 = cloud.client("ec2"), cloud.client("s3")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", ClientToken="once")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]  # made by a read: not in the journal
    ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, Encrypted=True)  # with a key of KMS
    cloud.client("batch").create_compute_environment(
        computeEnvironmentName="c",
        type="MANAGED",
        computeResources={"type": "FARGATE", "maxvCpus": 4, "subnets": [subnet], "securityGroupIds": ["sg-1"]},
    )
    s3.create_bucket(Bucket="keep-it", CreateBucketConfiguration={"Tags": [{"Key": "a", "Value": "b"}]})
    s3.put_object(Bucket="keep-it", Key="small", Body=b"few")
    s3.put_object(Bucket="keep-it", Key="large", Body=os.urandom(300_000))
    upload_part(cloud, "parts", start_upload(cloud, "parts"))
    upload = start_upload(cloud, "half")
    iam = cloud.client("iam")
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}", Path="/awsrun/")["Role"]["Arn"]
    cloud.client("ecr").create_repository(repositoryName="images")
    cloud.client("logs").create_log_group(logGroupName="/g", tags={"a": "b"})
    cloud.client("ssm").put_parameter(Name="mine", Value="1", Type="String")
    cloud.client("lambda").create_function(
        FunctionName="f", Role=role, Runtime="python3.12", Handler="app.handler", Code={"ZipFile": b"zip"}, Publish=True
    )
    before = everything(cloud)
    kill(cloud)
    cloud.start()
    assert everything(cloud) == before, "from the journal"
    store = cloud.home / "data" / "local" / "store"
    eventually(lambda: any(path.stat().st_size > 1000 for path in store.glob("snapshot-*.pickle")))
    kill(cloud)
    cloud.start()
    assert everything(cloud) == before, "from a snapshot"
    upload_part(cloud, "half", upload)
    before, pid = everything(cloud), cloud.status()["pid"]
    (store.parent / "server.lock").write_text("")  # as older versions, which an upgrade must be able to stop
    cloud.stop()
    assert not _alive(pid)
    cloud.start()
    assert everything(cloud) == before, "from the last snapshot of a stop"
    log = (cloud.home / "data" / "local" / "server.log").read_text()
    assert "was not written" not in log, "all of it was from a journal"
    again = ec2_endpoint(cloud, vpc)
    assert len(cloud.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]) == 1, again
    with pytest.raises(ClientError, match=r"BucketAlreadyExists|BucketAlreadyOwnedByYou"):
        _create_elsewhere(cloud)


def start_upload(cloud: LocalCloud, key: str) -> str:
    """The id of an upload in parts."""
    return str(cloud.client("s3").create_multipart_upload(Bucket="keep-it", Key=key)["UploadId"])


def upload_part(cloud: LocalCloud, key: str, upload: str) -> None:
    """The one part that an upload has; it is complete with that."""
    s3, which = cloud.client("s3"), {"Bucket": "keep-it", "Key": key, "UploadId": upload}
    tag = s3.upload_part(**which, PartNumber=1, Body=os.urandom(300_000))["ETag"]
    s3.complete_multipart_upload(**which, MultipartUpload={"Parts": [{"ETag": tag, "PartNumber": 1}]})


def ec2_endpoint(cloud: LocalCloud, vpc: str) -> str:
    made = cloud.client("ec2").create_vpc_endpoint(
        VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3", ClientToken="once"
    )
    return str(made["VpcEndpoint"]["VpcEndpointId"])


def _create_elsewhere(cloud: LocalCloud) -> None:
    import boto3

    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="eu-west-1")
    session.client("s3", endpoint_url=cloud.endpoint).create_bucket(
        Bucket="keep-it", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )


def test_nothing_acknowledged_is_lost_under_kills_at_random_moments(fresh_cloud: LocalCloud) -> None:
    cloud, seed = fresh_cloud, random.randrange(1 << 30)
    rng = random.Random(seed)
    make_table(cloud)
    cloud.client("s3").create_bucket(Bucket="many-things")
    acknowledged: dict[str, str] = {}
    for life in range(4):
        stop = threading.Event()
        writers = [
            threading.Thread(target=_write, args=(cloud, life, number, stop, acknowledged)) for number in range(4)
        ]
        for writer in writers:
            writer.start()
        time.sleep(rng.uniform(0.3, 3.0))
        kill(cloud)
        stop.set()
        for writer in writers:
            writer.join()
        cloud.start()
    items: dict[str, str] = {}
    for page in cloud.client("dynamodb").get_paginator("scan").paginate(TableName="t"):
        items.update({item["sk"]["S"]: item["value"]["S"] for item in page["Items"]})
    s3 = cloud.client("s3")
    for key, value in acknowledged.items():
        if key.startswith("object"):
            assert s3.get_object(Bucket="many-things", Key=key)["Body"].read() == value.encode() * 20_000, seed
        else:
            assert items.get(key) == value, (key, seed)
    assert len(acknowledged) > 50, "the test wrote something"


def _write(cloud: LocalCloud, life: int, number: int, stop: threading.Event, acknowledged: dict[str, str]) -> None:
    dynamodb, s3 = cloud.client("dynamodb"), cloud.client("s3")
    count = 0
    while not stop.is_set():
        key, value = f"{life}-{number}-{count % 50}", f"{count:04d}"
        try:
            if count % 20 == 19:
                s3.put_object(Bucket="many-things", Key=f"object-{key}", Body=value.encode() * 20_000)
                acknowledged[f"object-{key}"] = value
            else:
                acknowledged.pop(key, None)  # in doubt until the answer is here
                item = {"pk": {"S": "p"}, "sk": {"S": key}, "value": {"S": value}}
                dynamodb.put_item(TableName="t", Item=item)
                acknowledged[key] = value
        except (BotoCoreError, ClientError):
            acknowledged.pop(f"object-{key}", None)
            return
        count += 1


def test_starts_with_ten_thousand_items(fresh_cloud: LocalCloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud = fresh_cloud
    dynamodb = make_table(cloud)
    trial = {"attempt": {"N": "1"}, "state": {"S": "done"}, "params": {"M": {"lr": {"N": "0.1"}, "m": {"N": "0.5"}}}}
    for start in range(0, 10_000, 25):
        puts = [
            {"PutRequest": {"Item": {"pk": {"S": f"RUN#T#{n // 1000}"}, "sk": {"S": str(n)}, **trial}}}
            for n in range(start, start + 25)
        ]
        dynamodb.batch_write_item(RequestItems={"t": puts})
    kill(cloud)
    began = time.monotonic()
    cloud.start()
    took = time.monotonic() - began
    said = (cloud.home / "data" / "local" / "server.log").read_text().splitlines()[-1]
    with capsys.disabled():
        print(f"\nback after {took:.2f} s with 10,000 items ({said})")
    pages = cloud.client("dynamodb").get_paginator("scan").paginate(TableName="t", Select="COUNT")
    assert sum(page["Count"] for page in pages) == 10_000


def test_many_starts_at_once_give_one_server(tmp_path: Path) -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "AWSRUN_"))}
    cloud = LocalCloud(tmp_path, env={**env, "AWSRUN_HOME": str(tmp_path)})
    command = [sys.executable, "-m", "awsrun.local", "start"]
    starts = [subprocess.Popen(command, env=cloud.env, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {start.communicate(timeout=PATIENCE)[0] for start in starts}
    assert len(said) == 1 and "running at" in said.pop()
    assert [start.returncode for start in starts] == [0, 0, 0]
    cloud.stop()
    assert not cloud.status()["running"]


def test_the_port_stays_and_reset_forgets(fresh_cloud: LocalCloud) -> None:
    cloud = fresh_cloud
    make_table(cloud)
    before = cloud.endpoint
    cloud.stop()
    cloud.start()
    assert cloud.endpoint == before
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert cloud.control("start", "--port", str(port)).returncode == 0
    cloud.endpoint = str(cloud.status()["endpoint"])
    assert cloud.endpoint == f"http://127.0.0.1:{port}", "it moves where it is told to"
    assert cloud.client("dynamodb").list_tables()["TableNames"] == ["t"]
    assert cloud.control("reset").returncode == 0
    cloud.start()
    assert cloud.client("dynamodb").list_tables()["TableNames"] == []


def test_a_server_whose_address_is_lost_is_found_and_stopped(fresh_cloud: LocalCloud) -> None:
    cloud = fresh_cloud
    data, server = cloud.home / "data" / "local", cloud.status()["pid"]
    (data / "server.json").write_text('{"pid": ')
    cloud.start()
    assert cloud.status()["pid"] == server, "it says again where it is; there is no second one"
    with subprocess.Popen(["sleep", "600"]) as other:
        about = json.loads((data / "server.json").read_text())
        (data / "server.json").write_text(json.dumps({**about, "pid": other.pid}))
        assert cloud.control("stop").returncode == 0
        assert not _alive(server) and other.poll() is None, "a number in a file is nobody's name"
        other.kill()


def test_a_taken_port_is_refused_with_the_reason(tmp_path: Path) -> None:
    env = {**os.environ, "AWSRUN_HOME": str(tmp_path)}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "awsrun.local", "start", "--port", str(taken.getsockname()[1])]
        tried = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert tried.returncode == 1 and "is taken" in tried.stderr


def test_the_folder_is_the_users_alone(fresh_cloud: LocalCloud) -> None:
    make_table(fresh_cloud)
    data = fresh_cloud.home / "data" / "local"
    assert data.stat().st_mode & 0o777 == 0o700
    journals = list((data / "store").glob("journal-*.log"))
    assert journals and all(path.stat().st_mode & 0o777 == 0o600 for path in journals)
