"""A place for jobs on the embedded cloud, made with boto3 alone, and the real commands that use it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from awsrun.aws.clients import Cloud
from awsrun.aws.context import LOCAL
from awsrun.jobs.run import Run

AWSRUN = str(Path(sys.executable).parent / "awsrun")

LIGHT = """
import os
import sys
import time
from typing import Literal

import awsrun


def train(trial, lr: float = 0.01, momentum: float = 0.5, seconds: float = 0.0, gate: str = "",
          ends: Literal["well", "badly", "once badly"] = "well"):
    print(f"training with lr {lr}", flush=True)
    for epoch in trial.range(100_000 if gate else 3):
        if epoch < 3:
            trial.report(train_loss=1.0 / (epoch + 1), val_accuracy=lr)
        if os.path.exists(gate):
            break
        time.sleep(0.05 if gate else seconds / 3)
    if ends == "badly" or (ends == "once badly" and not os.path.exists(gate + ".mended")):
        raise ValueError(f"lr {lr} is not to my taste")
    with open(os.path.join(trial.dir, "note.txt"), "w") as file:
        file.write(f"lr was {lr}")
    return {"val_accuracy": lr + momentum}


if __name__ == "__main__":
    awsrun.main(train, metric="val_accuracy", mode="max")
"""


@dataclass
class Place:
    """An applied stack and a folder with a job.

    Attributes:
        stack: its name; ``folder``: where commands run and ``job.py`` lies.
    """

    cloud: Any
    stack: str
    folder: Path
    queue: str = ""
    bucket: str = ""
    table: str = ""

    def awsrun(self, *arguments: str, code: int | None = 0, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run the real command in the folder, looking at this stack where it takes --stack."""
        done = subprocess.run(
            [AWSRUN, *arguments],
            cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip
        assert code is None or done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    @property
    def env(self) -> dict[str, str]:
        return {**self.cloud.env, "AWSRUN_CONTEXT": "local"}

    def submit(self, *arguments: str) -> str:
        """Submit the job; the run's id."""
        done = self.awsrun("submit", "job.py", "--stack", self.stack, "--json", *arguments)
        return str(json.loads(done.stdout)["run"])

    @property
    def api(self) -> Cloud:
        """The same cloud for the Python side."""
        session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
        return Cloud(session, LOCAL, self.cloud.endpoint)

    def results(self, run: str) -> dict[str, Any]:
        """What ``results --json`` prints."""
        return Run(run, stack=self.stack, cloud=self.api).summary()

    def until(self, run: str, what: Callable[[dict[str, Any]], bool], seconds: float = 60) -> dict[str, Any]:
        """The run's results as soon as they are as asked; fails after ``seconds``."""
        end = time.monotonic() + seconds
        watched = Run(run, stack=self.stack, cloud=self.api)
        while True:
            found = watched.summary()
            if what(found):
                return found
            assert time.monotonic() < end, found
            time.sleep(0.2)


def make(cloud: Any, stack: str, folder: Path, max_vcpus: int = 2) -> Place:
    """Make bucket, tables, log group, environment, queue and definition, and the stack's record."""
    place = Place(cloud, stack, folder)
    place.bucket, place.table = f"{stack}-bucket", f"awsrun-{stack}.runs"
    cloud.client("s3").create_bucket(Bucket=place.bucket)
    _tables(cloud, stack)
    cloud.client("logs").create_log_group(logGroupName=f"/awsrun/{stack}")
    place.queue = _queue(cloud, stack, max_vcpus)
    definition = cloud.client("batch").register_job_definition(
        jobDefinitionName=f"{stack}-worker",
        type="container",
        containerProperties={
            "image": "python:3.12",
            "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "512"}],
            "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": f"/awsrun/{stack}"}},
        },
    )["jobDefinitionArn"]
    jobs = {
        "queue": place.queue,
        "definition": definition,
        "bucket": place.bucket,
        "table": place.table,
        "log_group": f"/awsrun/{stack}",
        "vcpus": 1,
        "gpus": 0,
        "memory_mib": 512,
        "max_vcpus": max_vcpus,
    }
    record = {"stack": stack, "outputs": {}, "jobs": jobs, "applied_at": "2026-01-01T00:00:00+00:00", "complete": True}
    item = {"pk": {"S": "OUTPUTS"}, "data": {"S": json.dumps(record)}}
    cloud.client("dynamodb").put_item(TableName=f"awsrun-{stack}", Item=item)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.py").write_text(LIGHT)
    return place


def _tables(cloud: Any, stack: str) -> None:
    for name, keys in ((f"awsrun-{stack}", ["pk"]), (f"awsrun-{stack}.runs", ["pk", "sk"])):
        cloud.client("dynamodb").create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            KeySchema=[{"AttributeName": k, "KeyType": t} for k, t in zip(keys, ("HASH", "RANGE"), strict=False)],
        )


def _queue(cloud: Any, stack: str, max_vcpus: int) -> str:
    ec2, batch = cloud.client("ec2"), cloud.client("batch")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/24")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/25")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName=f"{stack}-g", Description="jobs", VpcId=vpc)["GroupId"]
    trust = {"Version": "2012-10-17", "Statement": []}
    role = cloud.client("iam").create_role(RoleName=f"{stack}-batch", AssumeRolePolicyDocument=json.dumps(trust))
    environment = batch.create_compute_environment(
        computeEnvironmentName=f"{stack}-env",
        type="MANAGED",
        state="ENABLED",
        serviceRole=role["Role"]["Arn"],
        computeResources={
            "type": "FARGATE",
            "maxvCpus": max_vcpus,
            "subnets": [subnet],
            "securityGroupIds": [group],
        },
    )["computeEnvironmentArn"]
    _valid(lambda: batch.describe_compute_environments(computeEnvironments=[environment])["computeEnvironments"])
    queue = batch.create_job_queue(
        jobQueueName=f"{stack}-queue",
        state="ENABLED",
        priority=1,
        computeEnvironmentOrder=[{"order": 1, "computeEnvironment": environment}],
    )["jobQueueArn"]
    _valid(lambda: batch.describe_job_queues(jobQueues=[queue])["jobQueues"])
    return str(queue)


def _valid(describe: Callable[[], list[dict[str, Any]]], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while describe()[0]["status"] != "VALID":
        assert time.monotonic() < end, describe()
        time.sleep(0.1)
