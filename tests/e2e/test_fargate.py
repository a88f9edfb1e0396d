"""Sweeps on ECS with IAM enforced: workers have the rights of specs/fargate.yaml alone, and replace those that are
lost."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from stack_shell import WITHOUT_AWS, Shell
from worker_bench import until

from awsrun.aws.clients import Cloud
from awsrun.aws.context import LOCAL
from awsrun.jobs.run import Run
from awsrun.jobs.site import open_site
from awsrun.jobs.submit import submission
from awsrun.jobs.submit.experiment import Experiment
from awsrun.jobs.submit.request import prepare
from awsrun.worker.protocol.records import TrialRecord, Worker

SPEC = (Path(__file__).parents[2] / "specs" / "fargate.yaml").read_text()
JOB = """
import os
import time
import awsrun

def train(trial, gate: str, n: int = 0):
    for epoch in trial.range(100_000):
        if os.path.exists(gate):
            break
        time.sleep(0.05)
    return {"accuracy": n / 100}

if __name__ == "__main__":
    awsrun.main(train, metric="accuracy")
"""


@dataclass
class Stack:
    """The applied spec."""

    local: Any
    shell: Shell
    cloud: Cloud
    role: str

    @property
    def gate(self) -> Path:
        """The trials end once this file is there."""
        return self.shell.folder / "gate"

    def submit(self, trials: int) -> Run:
        """A run with two workers, whose leases are short; both have claimed a trial and wait at the gate."""
        self.gate.unlink(missing_ok=True)
        job = self.shell.folder / "job.py"
        asked = Experiment(job=job, grid={"n": list(range(trials))}, set={"gate": str(self.gate)}, workers=2)
        request = prepare(asked)
        request = replace(request, limits=replace(request.limits, lease=2.0, beat=0.3))
        run = Run(submission.submit(request, open_site(self.cloud)), cloud=self.cloud)
        until("two trials run", lambda: sum(trial.state == "run" for trial in run.trials()) == 2)
        return run

    def workers(self, run: Run) -> list[Worker]:
        """A run's workers, by slot."""
        return open_site(self.cloud).store.workers(run.id)

    def ended(self, run: Run, trials: int) -> list[TrialRecord]:
        """Open the gate: the trials of a run that is done. Each is there once, and has its parameters' result."""
        self.gate.touch()
        assert run.wait(timeout=120, poll=0.3).state == "done"
        found = list(run.trials())
        assert [(trial.n, trial.state, trial.result) for trial in found] == [
            (n, "done", {"accuracy": n / 100}) for n in range(trials)
        ]
        assert all(trial.failures == 0 for trial in found)
        return found

    def tasks(self, run: Run, desired: str = "RUNNING") -> list[dict[str, Any]]:
        """What ECS says of a run's tasks."""
        ecs = self.local.client("ecs")
        arns = ecs.list_tasks(cluster="fargate-tasks", desiredStatus=desired)["taskArns"]
        found: list[dict[str, Any]] = arns and ecs.describe_tasks(cluster="fargate-tasks", tasks=arns)["tasks"]
        return [task for task in found if task["startedBy"] == f"{run.id}/w0"]

    def user(self, command: str) -> Shell:
        """The commands of somebody who has the policy ``--for`` a command, and no other right."""
        iam, name = self.local.client("iam"), f"only-{command}"
        iam.create_user(UserName=name)
        for number, policy in enumerate(self.shell.json("policy", "spec.yaml", "--for", command)["documents"]):
            made = iam.create_policy(PolicyName=f"{name}-{number}", PolicyDocument=json.dumps(policy))["Policy"]
            iam.attach_user_policy(UserName=name, PolicyArn=made["Arn"])
        key = iam.create_access_key(UserName=name)["AccessKey"]
        who = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        place = {"AWS_ENDPOINT_URL": self.local.endpoint, "AWS_REGION": "us-east-1", "AWSRUN_CONTEXT": "aws"}
        return Shell(self.shell.folder, {**self.shell.env, **who, **place})

    def without(self, action: str) -> Callable[[], None]:
        """Take an action from the workers' role; what gives it back."""
        iam, where = self.local.client("iam"), {"RoleName": self.role, "PolicyName": "awsrun"}
        document = iam.get_role_policy(**where)["PolicyDocument"]
        fewer = [one for one in document["Statement"] if action not in one["Action"]]
        assert len(fewer) == len(document["Statement"]) - 1
        iam.put_role_policy(**where, PolicyDocument=json.dumps({**document, "Statement": fewer}))
        return lambda: iam.put_role_policy(**where, PolicyDocument=json.dumps(document))


@pytest.fixture(scope="module")
def stack(iam_cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("work")
    shell = Shell(folder, WITHOUT_AWS | {"AWSRUN_HOME": str(iam_cloud.home), "AWS_EC2_METADATA_DISABLED": "true"})
    (folder / "job.py").write_text(JOB)
    outputs = shell.json("apply", shell.write(SPEC), "--yes")["outputs"]
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")
    yield Stack(iam_cloud, shell, Cloud(session, LOCAL, iam_cloud.endpoint), outputs["worker"]["name"])
    shell.awsrun("teardown", "fargate", "--yes")


def processes(run: Run) -> list[int]:
    """The pids of a run's workers."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"awsrun.worker" in words and run.id.encode() in words:
            found.append(int(path.parent.name))
    return found


def test_a_killed_worker_is_replaced_by_the_one_that_is_left(stack: Stack) -> None:
    run = stack.submit(6)
    assert len(stack.tasks(run)) == 2
    os.kill(processes(run)[0], signal.SIGKILL)
    replaced = until("another one is there", lambda: [one for one in stack.workers(run) if one.starts == 2])
    found = stack.ended(run, 6)
    (lost,) = {loss for trial in found for loss in trial.losses}
    assert lost == f"{replaced[0].slot}.1"
    assert sorted((worker.starts, worker.asked > 0) for worker in stack.workers(run)) == [(1, False), (2, True)]
    said = f"[awsrun] worker {replaced[0].slot}.1000 was lost; another one is to come"
    until("it is said", lambda: said in [line.text for line in run.logs()])
    assert said in stack.shell.awsrun("logs", run.id).stdout


def test_spot_that_is_taken_back_gives_its_trial_back_and_is_replaced(stack: Stack) -> None:
    run = stack.submit(5)
    task = stack.tasks(run)[0]["taskArn"].rpartition("/")[2]
    url = f"{stack.local.endpoint}/_awsrun/spot/us-east-1/{task}"
    assert urllib.request.urlopen(urllib.request.Request(url, method="POST")).status == 204
    until("another one is there", lambda: [one for one in stack.workers(run) if one.starts == 2])
    found = stack.ended(run, 5)
    assert not any(trial.losses for trial in found), "a worker that is told to go loses nothing"
    ends = {one["taskArn"].rpartition("/")[2]: one for one in stack.tasks(run, "STOPPED")}
    assert (ends[task]["stopCode"], ends[task]["containers"][0]["exitCode"]) == ("SpotInterruption", 143)


def test_without_the_right_to_run_tasks_resume_replaces_them(stack: Stack) -> None:
    give_back = stack.without("ecs:RunTask")
    try:
        run = stack.submit(4)
        os.kill(processes(run)[0], signal.SIGKILL)
        until("it is said", lambda: any("lost workers are not replaced" in line.text for line in run.logs()))
    finally:
        give_back()
    until("its task has ended", lambda: len(stack.tasks(run)) == 1)
    assert "1 worker" in stack.shell.awsrun("resume", run.id).stderr
    stack.ended(run, 4)
    assert "is done" in stack.shell.awsrun("resume", run.id, code=1).stderr


def test_a_run_of_other_workers_is_cancelled(stack: Stack) -> None:
    stack.gate.unlink(missing_ok=True)
    common = ("submit", "job.py", "--set", f"gate={stack.gate}", "--workers", "2", "--grid", "n=1,2")
    said = stack.shell.awsrun(*common, "--memory", "10000", code=1).stderr
    assert "the nearest that holds it: --vcpus 2 --memory 10240" in said
    run = Run(stack.shell.json(*common, "--vcpus", "0.5", "--memory", "1GB")["run"], cloud=stack.cloud)
    until("its tasks are there", lambda: len(stack.tasks(run)) == 2)
    assert {(task["cpu"], task["memory"]) for task in stack.tasks(run)} == {("512", "1024")}
    assert {task["capacityProviderName"] for task in stack.tasks(run)} == {"FARGATE_SPOT"}
    stack.shell.awsrun("cancel", run.id)
    assert stack.tasks(run) == [], "they are told to stop"
    assert run.status().state == "cancelled"


def test_who_has_the_policy_for_submit_runs_sweeps_and_stops_them(stack: Stack) -> None:
    stack.gate.touch()
    shell = stack.user("submit")
    common = ("submit", "job.py", "--set", f"gate={stack.gate}", "--workers", "2", "--grid", "n=1,2")
    assert " is done: 2 done" in shell.awsrun(*common, "--wait").stderr
    stack.gate.unlink()
    run = Run(shell.json(*common)["run"], cloud=stack.cloud)
    until("its tasks are there", lambda: len(stack.tasks(run)) == 2)
    shell.awsrun("cancel", run.id)
    assert stack.tasks(run) == []
    assert stack.user("results").json("results", run.id)["state"] == "cancelled"


def test_tasks_that_wait_for_a_run_that_is_over_are_stopped_and_no_others(stack: Stack) -> None:
    stack.gate.unlink(missing_ok=True)
    asked = Experiment(job=stack.shell.folder / "job.py", grid={"n": list(range(12))}, set={"gate": str(stack.gate)})
    request, site = prepare(asked), open_site(stack.cloud)
    # Workers hear of the run's end only when their trial ends.
    request = replace(request, limits=replace(request.limits, beat=600.0, lease=3600.0))
    run = Run(submission.submit(request, site), cloud=stack.cloud)
    until("a trial runs", lambda: any(trial.state == "run" for trial in run.trials()))
    running = {task["taskArn"] for task in stack.tasks(run) if task["lastStatus"] == "RUNNING"}
    assert running and site.store.finish(run.id, 0, "failed", {"type": "E", "message": "m"}, 1)
    status = run.wait(timeout=60)
    left, stopped = stack.tasks(run), stack.tasks(run, "STOPPED")
    assert running <= {task["taskArn"] for task in left} and {task["lastStatus"] for task in left} == {"RUNNING"}
    assert (status.state, status.called_off) == ("failed", 12 - len(left)) and len(stopped) == 12 - len(left) > 0
    assert {task["stopCode"] for task in stopped} == {"UserInitiated"}
    assert not any("startedAt" in task for task in stopped)
    assert run.wait(timeout=60).called_off == 0
    stack.gate.touch()
    until("the others have gone by themselves", lambda: not stack.tasks(run))
