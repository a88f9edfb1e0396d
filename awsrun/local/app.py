"""What the HTTP server answers with: health, and AWS's calls."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from awsrun.local.calls import Call, Reply

Perform = Callable[[Call], Reply]
HEALTH = "/_awsrun/health"


def application(perform: Perform, about: dict[str, Any]) -> Perform:
    """Answers health checks itself and hands everything else to ``perform``.

    What is to come between a client and the cloud (errors, lag, throttles) wraps ``perform`` in the same way.

    Args:
        about: what the health page says besides the process id.
    """

    def answer(call: Call) -> Reply:
        if call.path == HEALTH:
            content = json.dumps({"pid": os.getpid(), **about}).encode()
            return Reply(200, [("Content-Type", "application/json")], content)
        return perform(call)

    return answer
