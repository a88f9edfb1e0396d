"""What the HTTP server answers with: health, credentials of jobs, REST APIs, and AWS's calls."""

from __future__ import annotations

import json
import os
from typing import Any

from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.http import APIS

HEALTH = "/_awsrun/health"
CREDENTIALS = "/_awsrun/credentials"
RECLAIM = "/_awsrun/spot/"  # before region and task
METADATA = "/_awsrun/ecs/"  # before region, task and container


def application(
    perform: Perform, about: dict[str, Any], credentials: Perform, metadata: Perform, reclaims: Perform, apis: Perform
) -> Perform:
    """Answers health checks itself and hands everything else to ``perform``.

    Args:
        about: what the health page says besides the process id.
        credentials: answers jobs and tasks that ask for those of their role.
        metadata: answers tasks that ask about themselves.
        reclaims: takes spot tasks back.
        apis: answers requests to REST APIs.
    """

    def answer(call: Call) -> Reply:
        if call.path == HEALTH:
            content = json.dumps({"pid": os.getpid(), **about}).encode()
            return Reply(200, [("Content-Type", "application/json")], content)
        if call.path == CREDENTIALS:
            return credentials(call)
        if call.path.startswith(RECLAIM):
            return reclaims(call)
        if call.path.startswith(METADATA):
            return metadata(call)
        if str(call.environ["RAW_URI"]).startswith(APIS):
            return apis(call)
        return perform(call)

    return answer
