"""Calls of a function, each sent once: only what Lambda surely did not take is sent again.

What it refuses because the function is still being made, or because too much runs already (TooManyRequestsException,
https://docs.aws.amazon.com/lambda/latest/dg/invocation-retries.html), it did not take.  What got no answer it may have
taken: that counts as failed.
"""

from __future__ import annotations

import base64
import json
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError, code_of, matches, message_of
from awsrun.invoke.function import Function

LONGEST = 900.0 + 30.0  # seconds until an answer: a function's longest time, and a cold start
BUSY = ("TooManyRequestsException", "ResourceConflictException:Pending")
PATIENCE = 120.0  # seconds for which a call that is refused so is sent again
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds


@dataclass(frozen=True)
class Answer:
    """What came of one call.

    Attributes:
        seconds: from when it was sent (the last time) until it was answered.
        payload: what the function returned, or its error, as JSON; empty of an asynchronous call.
        error: ``ValueError: no such haiku``, or why there was no answer; empty where all went well.
        log: the end of what the function wrote, 4 KB at most; only where it was asked for.
    """

    seconds: float
    payload: str = ""
    error: str = ""
    log: str = ""


@dataclass(frozen=True)
class Caller:
    """Calls one function.

    Args:
        at_once: so many calls may be on their way.
        now, sleep: monotonic seconds.
    """

    cloud: Cloud
    function: Function
    at_once: int = 1
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    random: random.Random = field(default_factory=random.Random)

    def call(self, payload: bytes, asynchronous: bool = False, log: bool = False) -> Answer:
        """Call it; an error of the function is an `Answer` too.

        Raises:
            ClientError, BotoCoreError: the call itself was refused, or not answered.
        """
        limit, pause = self.now() + PATIENCE, FIRST_PAUSE
        while True:
            began = self.now()
            try:
                answer = self._client.invoke(
                    FunctionName=self.function.arn,
                    InvocationType="Event" if asynchronous else "RequestResponse",
                    LogType="Tail" if log and not asynchronous else "None",
                    Payload=payload,
                )
            except ClientError as error:
                if self.now() > limit or not matches(error, BUSY):
                    raise
                self.sleep(pause * self.random.uniform(0.5, 1.0))
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            said = answer["Payload"].read().decode(errors="replace")
            raised = _error(said) if "FunctionError" in answer else ""
            written = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
            return Answer(self.now() - began, said, raised, written)

    def many(
        self, count: int, payload: bytes, asynchronous: bool, progress: Callable[[int], object] = lambda done: None
    ) -> Calls:
        """Call it ``count`` times, `at_once` side by side; ``progress`` is told how many were answered.

        Ctrl-C sends no more, and waits for those that are on their way.
        """
        began, answers = self.now(), list[Answer]()
        with ThreadPoolExecutor(min(self.at_once, count)) as pool:
            waiting = {pool.submit(self._safely, payload, asynchronous) for _ in range(count)}
            try:
                while waiting:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    answers += [one.result() for one in done]
                    progress(len(answers))
            except KeyboardInterrupt:
                answers += [one.result() for one in waiting if not one.cancel()]
        return Calls(self.function.name, count, self.now() - began, tuple(answers), asynchronous)

    def _safely(self, payload: bytes, asynchronous: bool) -> Answer:
        began = self.now()
        try:
            return self.call(payload, asynchronous)
        except (ClientError, BotoCoreError) as error:
            said = f"{code_of(error)}: {message_of(error)}" if code_of(error) else message_of(error)
            return Answer(self.now() - began, error=said)

    @property
    def _client(self) -> Any:
        return self.cloud.caller("lambda", LONGEST, self.at_once)


@dataclass(frozen=True)
class Calls:
    """What came of many calls.

    Attributes:
        count: how many were asked for; fewer were made where it was stopped.
        seconds: for all of them.
    """

    name: str
    count: int
    seconds: float
    answers: Sequence[Answer]
    asynchronous: bool

    @property
    def good(self) -> int:
        """Answered (or taken, if asynchronous) without an error."""
        return sum(not one.error for one in self.answers)

    @property
    def rate(self) -> float:
        """Calls a second."""
        return len(self.answers) / self.seconds if self.seconds else 0.0

    @property
    def errors(self) -> Counter[str]:
        """How often each error came."""
        return Counter(one.error for one in self.answers if one.error)

    def latency(self, percent: float) -> float:
        """Seconds within which so many percent of the good ones were answered (by nearest rank); 0 without any."""
        good = sorted(one.seconds for one in self.answers if not one.error)
        return good[max(1, math.ceil(len(good) * percent / 100)) - 1] if good else 0.0

    def to_json(self) -> dict[str, Any]:
        """For ``--json``; times in seconds."""
        took = {f"p{percent}": round(self.latency(percent), 4) for percent in (50, 95, 99, 100)}
        return {
            "function": self.name,
            "calls": self.count,
            "taken" if self.asynchronous else "answered": self.good,
            "errors": dict(self.errors.most_common()),
            "seconds": round(self.seconds, 3),
            "per_second": round(self.rate, 1),
            "latency": took,
        }


def failure(function: Function, answer: Answer) -> AwsrunError:
    """What a user is told of a function that raised: the end of its log, which has the traceback, else that alone."""
    said = answer.log.rstrip() or "\n".join(_trace(answer.payload))
    return AwsrunError(f"{function.name} failed: {answer.error}", said, "mend its code, then: awsrun apply SPEC")


def _error(payload: str) -> str:
    """``ValueError: no such haiku`` of a function's error."""
    try:
        said = json.loads(payload)
        return ": ".join(str(part) for part in (said.get("errorType"), said.get("errorMessage")) if part)
    except (ValueError, AttributeError):
        return payload.strip() or "it ended without an answer"


def _trace(payload: str) -> list[str]:
    try:
        lines = json.loads(payload).get("stackTrace") or []
    except (ValueError, AttributeError):
        return []
    return [str(line).rstrip() for line in lines] if isinstance(lines, list) else []
