"""How many requests a method lets through: a bucket of tokens for each
(https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from awsrun.local.apis.deployed import Limit

Key = tuple[str, ...]


class Buckets:
    """One bucket for each method of each stage.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._tokens: dict[Key, tuple[float, float]] = {}  # -> tokens, when that was
        self._lock = threading.Lock()

    def take(self, key: Key, limit: Limit | None) -> bool:
        """Whether there was a token."""
        if limit is None:
            return True
        with self._lock:
            now = self._now()
            tokens, since = self._tokens.get(key, (limit.burst, now))
            tokens = min(limit.burst, tokens + (now - since) * limit.rate)
            there = tokens >= 1
            self._tokens[key] = (tokens - there, now)
            return there
