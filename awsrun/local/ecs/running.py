"""A task under way, and what has to be there before it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from awsrun.local.ecs import environment
from awsrun.local.ecs.network import ACCOUNT
from awsrun.local.ecs.task import STOPPED, Task
from awsrun.local.work import logs
from awsrun.local.work.machine import Work


@dataclass
class Running:
    """A task under way; ``works`` and ``codes`` are in the order of its containers.

    Attributes:
        adopted: a server before this one started it, or was about to.
    """

    region: str
    task: Task
    works: list[Work]
    codes: dict[int, int] = field(default_factory=dict)
    kill_at: dict[int, float] = field(default_factory=dict)  # monotonic seconds
    ending: bool = False
    adopted: bool = False

    def living(self) -> Iterator[tuple[int, Work]]:
        """What has not ended yet."""
        return ((index, work) for index, work in enumerate(self.works) if index not in self.codes)

    def never_began(self) -> bool:
        """Whether a server that went down left nothing of it, which is still wanted."""
        return self.adopted and self.task.desired != STOPPED and not any(work.started for work in self.works)


class NoLogs(Exception):
    """There is no log group; the text is the task's stoppedReason."""


def check_logs(region: str, task: Task) -> None:
    """Nothing, where all of its containers' output has a place to go.  The world's lock is held.

    Raises:
        NoLogs: a group is missing: such a task does not start, as on Fargate
            (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html).
    """
    for container in task.containers:
        where = environment.destination(task, container)
        if where is not None and not where.make and not logs.exists(ACCOUNT, region, where.group):
            raise NoLogs(
                "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: "
                "failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not "
                f"exist. ({where.group}) : exit status 1"
            )
