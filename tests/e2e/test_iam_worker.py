"""A sweep with IAM enforced: workers get by with the role that the spec makes, which has no right too many."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from stack_shell import WITHOUT_AWS, Shell

from awsrun.resources import policies
from awsrun.worker.objects import Objects, checkpoint_key
from awsrun.worker.protocol.dynamodb import DynamoTable
from awsrun.worker.protocol.records import Me, Report
from awsrun.worker.protocol.store import RunStore

SPEC = (Path(__file__).parents[2] / "specs" / "batch.yaml").read_text()
JOB = """
import awsrun

def train(trial, lr: float = 0.1):
    for epoch in trial.range(3):
        trial.report(loss=1.0 / (epoch + 1), accuracy=lr)
    (trial.dir / "note.txt").write_text(f"lr was {lr}")
    return {"accuracy": lr}

if __name__ == "__main__":
    awsrun.main(train, metric="accuracy", mode="max")
"""
STATEMENTS = policies.grant("s3.bucket", "arn", "read_write") + policies.runs("arn")
ACTIONS = sorted(action for statement in STATEMENTS for action in statement["Action"])


@dataclass
class Stack:
    """The applied spec, and its worker's role.

    Attributes:
        document: the role's policy as awsrun made it.
    """

    cloud: Any
    shell: Shell
    bucket: str
    table: str
    queue: str
    role: str
    document: dict[str, Any]

    def allow(self, statements: list[dict[str, Any]]) -> None:
        """Make these the role's only rights."""
        document = json.dumps({**self.document, "Statement": statements})
        name = self.role.rpartition("/")[2]
        self.cloud.client("iam").put_role_policy(RoleName=name, PolicyName="awsrun", PolicyDocument=document)

    def without(self, action: str) -> list[dict[str, Any]]:
        """The statements, but for one action."""
        kept = [
            {**one, "Action": [name for name in one["Action"] if name != action]} for one in self.document["Statement"]
        ]
        return [one for one in kept if one["Action"]]

    def worker(self, service: str) -> Any:
        """A client with the role's rights."""
        made = self.cloud.client("sts").assume_role(RoleArn=self.role, RoleSessionName="worker")["Credentials"]
        session = boto3.Session(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"], "us-east-1")
        return session.client(service, endpoint_url=self.cloud.endpoint)

    def sweep(self) -> tuple[str, dict[str, Any]]:
        """Run a sweep of three trials until Batch is done with its worker; what Batch and ``results`` say of it."""
        run = self.shell.json("submit", "job.py", "--grid", "lr=0.1,0.2,0.3", "--workers", "1")["run"]
        batch, end = self.cloud.client("batch"), time.monotonic() + 60
        while True:
            named = {"name": "JOB_NAME", "values": [f"*{run}*"]}
            (job,) = batch.list_jobs(jobQueue=self.queue, filters=[named])["jobSummaryList"]
            if job["status"] in ("SUCCEEDED", "FAILED"):
                return str(job["status"]), self.shell.json("results", run)
            assert time.monotonic() < end, job
            time.sleep(0.1)


@pytest.fixture(scope="module")
def stack(iam_cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("work")
    shell = Shell(folder, WITHOUT_AWS | {"AWSRUN_HOME": str(iam_cloud.home), "AWS_EC2_METADATA_DISABLED": "true"})
    (folder / "job.py").write_text(JOB)
    outputs = shell.json("apply", shell.write(SPEC), "--yes")["outputs"]
    role = outputs["worker"]
    document = iam_cloud.client("iam").get_role_policy(RoleName=role["name"], PolicyName="awsrun")["PolicyDocument"]
    yield Stack(
        iam_cloud,
        shell,
        outputs["results"]["name"],
        "awsrun-mnist.runs",
        outputs["queue"]["arn"],
        role["arn"],
        document,
    )
    shell.awsrun("teardown", "mnist", "--yes")


@pytest.fixture(autouse=True)
def all_rights(stack: Stack) -> Iterator[None]:
    """Each test begins and ends with the policy that awsrun made."""
    stack.allow(stack.document["Statement"])
    yield
    stack.allow(stack.document["Statement"])


def test_the_policy_is_the_one_that_is_looked_at_here(stack: Stack) -> None:
    assert sorted(action for one in stack.document["Statement"] for action in one["Action"]) == ACTIONS
    assert len(stack.document["Statement"]) == len(STATEMENTS)


def test_a_sweep_needs_nothing_but_the_role(stack: Stack) -> None:
    status, found = stack.sweep()
    assert (status, [trial["state"] for trial in found["trials"]]) == ("SUCCEEDED", ["done"] * 3)


@pytest.mark.parametrize("action", ["s3:GetObject", "dynamodb:Query"])
def test_a_sweep_fails_without_the_statement_that_allows(stack: Stack, action: str) -> None:
    """s3:ListBucket is a statement of its own too; it is taken away below, where a lost trial is gone on with."""
    stack.allow([one for one in stack.document["Statement"] if action not in one["Action"]])
    status, found = stack.sweep()
    assert (status, found["state"]) == ("FAILED", "stalled")
    assert not [trial for trial in found["trials"] if trial["state"] == "done"]
    said = stack.shell.awsrun("logs", found["run"]).stdout
    assert "AccessDenied" in said and (action in said or "GetObject" in said), "the worker's last words are shown"


@dataclass
class Worker:
    """What a worker does, with the role's rights."""

    store: RunStore
    objects: Objects
    s3: Any
    bucket: str
    folder: Path

    def abandon(self) -> None:
        """What boto3 does with a large upload that breaks off."""
        made = self.s3.create_multipart_upload(Bucket=self.bucket, Key="large")
        self.s3.abort_multipart_upload(Bucket=self.bucket, Key="large", UploadId=made["UploadId"])

    def keep(self) -> None:
        """A checkpoint."""
        (self.folder / "state").write_bytes(b"1")
        self.objects.put_checkpoint(0, 1, self.folder / "state")


USES: dict[str, Callable[[Worker], Any]] = {
    "dynamodb:BatchWriteItem": lambda worker: worker.store.put_reports("r", [Report(0, 1, 0, {"loss": 1.0})]),
    "dynamodb:GetItem": lambda worker: worker.store.trial("r", 0),
    "dynamodb:PutItem": lambda worker: worker.store.claim("r", 0, Me(0, 1000), {}),
    "dynamodb:Query": lambda worker: worker.store.run("r"),
    "dynamodb:UpdateItem": lambda worker: worker.store.register("r", Me(0, 1000)),
    "s3:AbortMultipartUpload": Worker.abandon,
    "s3:DeleteObject": lambda worker: worker.objects.drop_checkpoints(0),
    "s3:GetObject": lambda worker: worker.objects.read_range(checkpoint_key("r", 0, 1), 0, 0),
    "s3:ListBucket": lambda worker: worker.objects.get_checkpoint(0, 1, 2, worker.folder),
    "s3:PutObject": Worker.keep,
}


@pytest.fixture
def worker(stack: Stack, tmp_path: Path) -> Worker:
    s3 = stack.worker("s3")
    table = DynamoTable(stack.worker("dynamodb"), stack.table)
    made = Worker(RunStore(table), Objects(s3, stack.bucket, "r"), s3, stack.bucket, tmp_path)
    made.keep()
    return made


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_of_the_policy_is_used(stack: Stack, worker: Worker, action: str) -> None:
    stack.allow(stack.without(action))
    with pytest.raises(ClientError) as caught:
        USES[action](worker)
    assert f"not authorized to perform: {action} on resource" in str(caught.value)
    stack.allow(stack.document["Statement"])
    USES[action](worker)


OTHERS: list[tuple[str, str, dict[str, Any]]] = [
    ("dynamodb", "get_item", {"TableName": "awsrun-other.runs", "Key": {"pk": {"S": "r"}, "sk": {"S": "R"}}}),
    ("dynamodb", "put_item", {"TableName": "awsrun-other.runs", "Item": {"pk": {"S": "r"}, "sk": {"S": "R"}}}),
    ("dynamodb", "put_item", {"TableName": "awsrun-mnist", "Item": {"pk": {"S": "LOCK"}}}),
    ("dynamodb", "batch_write_item", {"RequestItems": {
        "awsrun-mnist.runs": [{"PutRequest": {"Item": {"pk": {"S": "a"}, "sk": {"S": "b"}}}}],
        "awsrun-other.runs": [{"PutRequest": {"Item": {"pk": {"S": "a"}, "sk": {"S": "b"}}}}],
    }}),
    ("dynamodb", "transact_write_items", {"TransactItems": [
        {"Put": {"TableName": "awsrun-other.runs", "Item": {"pk": {"S": "a"}, "sk": {"S": "b"}}}},
    ]}),
    ("s3", "get_object", {"Bucket": "other-results", "Key": "k"}),
    ("s3", "put_object", {"Bucket": "other-results", "Key": "k", "Body": b"1"}),
    ("s3", "list_objects_v2", {"Bucket": "other-results"}),
    ("s3", "copy_object", {"Bucket": "mnist", "Key": "k", "CopySource": "other-results/k"}),
    ("s3", "create_bucket", {"Bucket": "made-by-a-worker"}),
    ("s3", "list_buckets", {}),
    ("dynamodb", "create_table", {
        "TableName": "t", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    }),
    ("dynamodb", "delete_table", {"TableName": "awsrun-mnist.runs"}),
    ("logs", "create_log_group", {"logGroupName": "/awsrun/mnist"}),
    ("iam", "create_role", {"RoleName": "r", "AssumeRolePolicyDocument": "{}"}),
    ("iam", "create_access_key", {"UserName": "u"}),
    ("ec2", "create_vpc", {"CidrBlock": "10.0.0.0/16"}),
    ("ec2", "run_instances", {"ImageId": "ami-1", "MinCount": 1, "MaxCount": 1}),
    ("batch", "submit_job", {"jobName": "j", "jobQueue": "q", "jobDefinition": "d"}),
    ("ecr", "create_repository", {"repositoryName": "made"}),
    ("lambda", "invoke", {"FunctionName": "f"}),
    ("sts", "assume_role", {"RoleArn": "arn:aws:iam::123456789012:role/r", "RoleSessionName": "me"}),
]  # fmt: skip


@pytest.mark.parametrize(("service", "operation", "arguments"), OTHERS, ids=[f"{one[0]}.{one[1]}" for one in OTHERS])
def test_a_worker_keeps_to_its_stack_and_makes_nothing(
    stack: Stack, service: str, operation: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(stack.worker(service), operation)(**arguments)
    assert caught.value.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
    assert "assumed-role/" in caught.value.response["Error"]["Message"]
