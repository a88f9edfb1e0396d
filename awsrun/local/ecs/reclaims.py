"""Spot capacity that is taken back: the task gets SIGTERM, and after its stopTimeout SIGKILL.

On AWS that happens by itself, with two minutes' notice; here ``POST /_awsrun/spot/REGION/TASK`` makes it happen.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html#fargate-capacity-providers-termination
"""

from __future__ import annotations

import json
import time

from awsrun.local.app import RECLAIM
from awsrun.local.calls import Call, Reply
from awsrun.local.ecs.service import Ecs
from awsrun.local.ecs.task import PENDING, RUNNING
from awsrun.local.world import World

INTERRUPTED = "SpotInterruption"
_REASON = "Your Spot Task was interrupted."


class Reclaims:
    """Takes tasks on FARGATE_SPOT back."""

    def __init__(self, ecs: Ecs, world: World) -> None:
        self._ecs, self._world = ecs, world

    def answer(self, call: Call) -> Reply:
        """204, or 404 where there is no such task on spot that runs."""
        region, _, id = call.path.removeprefix(RECLAIM).partition("/")
        with self._world.lock:
            known = self._ecs.regions.get(region)
            task = known.tasks.get(id) if known else None
            if call.method != "POST" or task is None or task.status not in (PENDING, RUNNING):
                return _refused("no such task runs")
            if task.provider != "FARGATE_SPOT":
                return _refused("it is not on spot")
            at = int(time.time() * 1000)
            self._world.happened("ecs", ("ending", region, id, at, INTERRUPTED, _REASON))
        self._ecs.wake()
        return Reply(204, [], b"")


def _refused(why: str) -> Reply:
    return Reply(404, [("Content-Type", "application/json")], json.dumps({"message": why}).encode())
