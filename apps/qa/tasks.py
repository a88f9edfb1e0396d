"""Starts Fargate tasks for questions, and watches them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from task import BOOTSTRAP

_STAGES = {"PROVISIONING": "being placed", "PENDING": "starting", "ACTIVATING": "starting", "RUNNING": "running"}


class Tasks:
    """The tasks of one ask.

    Args:
        session: awsrun's.
        outputs: of the stack: its cluster ``tasks``, task definition ``ask`` and network.
    """

    def __init__(self, session: Any, outputs: Mapping[str, Any]) -> None:
        self._ecs, self._logs = session.client("ecs"), session.client("logs")
        self._cluster, self._definition = outputs["tasks"]["name"], outputs["ask"]
        network = {"subnets": outputs["network"]["subnets"], "securityGroups": [outputs["network"]["security_group"]]}
        self._network = {"awsvpcConfiguration": {**network, "assignPublicIp": "ENABLED"}}
        self._arns: list[str] = []
        self._over: dict[str, Mapping[str, Any]] = {}  # ECS forgets a task an hour after its end
        self.stages: Counter[str] = Counter()
        self.stopped: list[Mapping[str, Any]] = []

    def start(self, code: str, share: str, model: str) -> None:
        """Start a task for a share of the questions.

        Raises:
            RuntimeError: Fargate has no room for it now.
        """
        variables = {"CODE": code, "SHARE": share, "MODEL": model}
        environment = [{"name": name, "value": value} for name, value in variables.items()]
        override = {
            "name": self._definition["container"],
            "command": ["python", "-c", BOOTSTRAP],
            "environment": environment,
        }
        said = self._ecs.run_task(
            cluster=self._cluster,
            taskDefinition=self._definition["arn"],
            launchType="FARGATE",
            networkConfiguration=self._network,
            overrides={"containerOverrides": [override]},
            clientToken=share.replace("/", "-")[-64:],  # an answer that was lost does not start it twice
        )
        if said["failures"]:
            raise RuntimeError(f"ECS started no task: {said['failures'][0].get('reason', 'no reason given')}")
        self._arns += [task["taskArn"] for task in said["tasks"]]

    def look(self) -> bool:
        """Ask how they are; whether any still goes on."""
        self.stages = Counter()
        left = [arn for arn in self._arns if arn not in self._over]
        for at in range(0, len(left), 100):
            for task in self._ecs.describe_tasks(cluster=self._cluster, tasks=left[at : at + 100])["tasks"]:
                if task["lastStatus"] == "STOPPED":
                    self._over[task["taskArn"]] = task
                else:
                    self.stages[_STAGES.get(task["lastStatus"], "ending")] += 1
        self.stopped = list(self._over.values())
        return len(self.stopped) < len(self._arns)

    def said(self) -> str:
        """``2 tasks: 1 starting, 1 running``."""
        count = len(self._arns)
        shown = ", ".join(f"{number} {stage}" for stage, number in self.stages.items())
        return f"{count} task{'s' * (count > 1)}: {shown or 'over'}"

    def failures(self) -> Iterator[str]:
        """Why tasks ended that did not end well, with the end of what they printed."""
        for task in self.stopped:
            (container, *_) = task["containers"]
            if container.get("exitCode") != 0:
                yield f"a task ended with {container.get('exitCode')}: {task.get('stoppedReason', '')}"
                yield from (f"  {line}" for line in self._tail(task["taskArn"]))

    def _tail(self, arn: str) -> Sequence[str]:
        stream = f"task/{self._definition['container']}/{arn.rpartition('/')[2]}"
        try:
            said = self._logs.get_log_events(logGroupName=self._definition["log_group"], logStreamName=stream, limit=12)
        except self._logs.exceptions.ResourceNotFoundException:
            return ["it printed nothing"]
        return [event["message"] for event in said["events"]]
