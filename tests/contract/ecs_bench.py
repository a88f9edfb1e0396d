"""What tests of ECS share: a cluster, a log group and a network, and tasks that are described and waited for."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from tests.conftest import LocalCloud
from tests.contract.strict_bench import unique, until

ROLE = "arn:aws:iam::123456789012:role/none"


class Tasks:
    """A cluster of one's own on an embedded cloud.

    Attributes:
        network: launch type and network, as RunTask and CreateService take them.
    """

    def __init__(self, cloud: LocalCloud, name: str = "") -> None:
        self.ecs, self.logs, self.ec2 = cloud.client("ecs"), cloud.client("logs"), cloud.client("ec2")
        self.name = name or unique("t")
        if not name:
            self.ecs.create_cluster(clusterName=self.name, capacityProviders=["FARGATE", "FARGATE_SPOT"])
            self.logs.create_log_group(logGroupName=self.name)
        subnet = self.ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        place = {"subnets": [subnet], "assignPublicIp": "ENABLED"}
        self.network: dict[str, Any] = {
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": place},
        }

    def define(self, *command: str, others: Any = (), group: str = "", family: str = "", **container: Any) -> str:
        """A task definition that runs ``command``; its ARN."""
        options = {
            "awslogs-group": group or self.name, "awslogs-region": "us-east-1", "awslogs-stream-prefix": "p",
        }  # fmt: skip
        main = {
            "name": "main",
            "image": "busybox",
            "command": list(command),
            "logConfiguration": {"logDriver": "awslogs", "options": options},
            **container,
        }
        made = self.ecs.register_task_definition(
            family=family or f"f-{uuid.uuid4().hex}", containerDefinitions=[main, *others], cpu="256", memory="512",
            requiresCompatibilities=["FARGATE"], networkMode="awsvpc", executionRoleArn=ROLE,
        )  # fmt: skip
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def run(self, definition: str, **more: Any) -> str:
        """Run one task; its ARN."""
        return self.run_all(definition, **more)[0]

    def run_all(self, definition: str, **more: Any) -> list[str]:
        made = self.ecs.run_task(**{"cluster": self.name, "taskDefinition": definition, **self.network, **more})
        return [one["taskArn"] for one in made["tasks"]]

    def describe(self, arn: str) -> Any:
        return self.ecs.describe_tasks(cluster=self.name, tasks=[arn], include=["TAGS"])["tasks"][0]

    def reach(self, arn: str, *statuses: str) -> Any:
        """The task, once its status is one of ``statuses``."""

        def there() -> Any:
            found = self.describe(arn)
            return found if found["lastStatus"] in statuses else None

        return until(there)

    def stopped(self, arn: str) -> Any:
        return self.reach(arn, "STOPPED")

    def output(self, arn: str, container: str = "main") -> list[str]:
        stream = f"p/{container}/{arn.rpartition('/')[2]}"
        events = self.logs.get_log_events(logGroupName=self.name, logStreamName=stream, startFromHead=True)["events"]
        return [event["message"] for event in events]

    def service(self, name: str) -> Any:
        return self.ecs.describe_services(cluster=self.name, services=[name])["services"][0]

    def settled(self, name: str, condition: Callable[[Any], bool] = lambda found: True) -> Any:
        """The service, once one deployment is there and complete, and ``condition`` holds."""

        def there() -> Any:
            found = self.service(name)
            (primary, *others) = found["deployments"]
            done = not others and primary["rolloutState"] != "IN_PROGRESS"
            return found if done and found["runningCount"] == found["desiredCount"] and condition(found) else None

        return until(there)
