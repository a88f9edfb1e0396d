"""Whether a failed attempt is followed by another: retryStrategy and its evaluateOnExit."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any


def again(retry: dict[str, Any], attempts: int, exit_code: int | None, reason: str, status_reason: str) -> bool:
    """Whether to retry.

    The first rule whose conditions all match decides; without one the job is retried as long as attempts are left.
    https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html

    Args:
        retry: the retryStrategy.
        attempts: how many were made.
        exit_code: None where the process was lost.
        reason: of the container.
        status_reason: of the job.
    """
    if attempts >= retry.get("attempts", 1):
        return False
    seen = {
        "onExitCode": "" if exit_code is None else str(exit_code),
        "onReason": reason.lower(),
        "onStatusReason": status_reason.lower(),
    }
    for rule in retry.get("evaluateOnExit") or []:
        if all(fnmatchcase(seen[name], rule[name].lower()) for name in seen if rule.get(name)):
            return bool(rule["action"] == "retry")
    return True
