"""What Fargate has room for: capacity that comes and goes, and the account's quotas of vCPUs.

Neither is an error of the call: what has no place is a failure in RunTask's answer, and an event of a service ("was
unable to place a task. Reason: ...").  Quotas are of vCPUs that run at a time, on demand and spot each by itself:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html.  Words:
https://repost.aws/knowledge-center/ecs-fargate-runtask-capacity and
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from awsrun.local.ecs.task import Task

SCARCE = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
OVER_QUOTA = (
    "You’ve reached the limit on the number of vCPUs you can run concurrently. For more information, see the "
    "Troubleshooting section of the Amazon ECS Developer Guide."
)


@dataclass(frozen=True)
class Room:
    """What there is for all tasks of a region; by default, for any number of them.

    Attributes:
        scarce: the share of RunTask's tasks for which there is no capacity, 0 to 1.
        vcpus: FARGATE and FARGATE_SPOT -> vCPUs that may run at a time; what is not named has no limit.
    """

    scarce: float = 0.0
    vcpus: Mapping[str, float] = field(default_factory=dict)

    def lacks(self, id: str) -> str:
        """Why there is no capacity for a task that is to have this id; empty where there is.

        Args:
            id: 32 hex digits, which decide, so that it is the same again in a replay.
        """
        return SCARCE if int(id[:8], 16) / 2**32 < self.scarce else ""

    def forbids(self, kind: str, cpu: str, tasks: Collection[Task]) -> str:
        """Why the account may not run a task more; empty where it may.

        Args:
            kind: FARGATE or FARGATE_SPOT.
            cpu: of the task, in units: 1024 are a vCPU.
            tasks: of the region, in any state.
        """
        limit = self.vcpus.get(kind)
        if limit is None:
            return ""
        taken = sum(int(task.cpu) for task in tasks if not task.over and (task.provider or "FARGATE") == kind)
        return OVER_QUOTA if taken + int(cpu) > limit * 1024 else ""
