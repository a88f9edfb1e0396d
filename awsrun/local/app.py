"""What the HTTP server answers with: health, and AWS's calls."""

from __future__ import annotations

import json
import os
from typing import Any

from awsrun.local.calls import Call, Perform, Reply

HEALTH = "/_awsrun/health"
CREDENTIALS = "/_awsrun/credentials"
METADATA = "/_awsrun/ecs/"  # before region, task and container


def application(perform: Perform, about: dict[str, Any], credentials: Perform, metadata: Perform) -> Perform:
    """Answers health checks itself and hands everything else to ``perform``.

    Args:
        about: what the health page says besides the process id.
        credentials: answers jobs and tasks that ask for those of their role.
        metadata: answers tasks that ask about themselves.
    """

    def answer(call: Call) -> Reply:
        if call.path == HEALTH:
            content = json.dumps({"pid": os.getpid(), **about}).encode()
            return Reply(200, [("Content-Type", "application/json")], content)
        if call.path == CREDENTIALS:
            return credentials(call)
        if call.path.startswith(METADATA):
            return metadata(call)
        return perform(call)

    return answer
