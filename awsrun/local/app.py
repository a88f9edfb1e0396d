"""What the HTTP server answers with: health, and AWS's calls."""

from __future__ import annotations

import json
import os
from typing import Any

from awsrun.local.calls import Call, Perform, Reply

HEALTH = "/_awsrun/health"


def application(perform: Perform, about: dict[str, Any]) -> Perform:
    """Answers health checks itself and hands everything else to ``perform``.

    Args:
        about: what the health page says besides the process id.
    """

    def answer(call: Call) -> Reply:
        if call.path == HEALTH:
            content = json.dumps({"pid": os.getpid(), **about}).encode()
            return Reply(200, [("Content-Type", "application/json")], content)
        return perform(call)

    return answer
