"""An execution environment: one process with one handler, which works on one event after the other.

Its life is that of https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html: a start of 10 s at
most, invocations as long as the function's timeout, and an end with the first that does not answer.
"""

from __future__ import annotations

import json
import platform
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from awsrun.local.functions import outcome
from awsrun.local.functions.definition import Definition
from awsrun.local.functions.logs import Stream
from awsrun.local.functions.outcome import Invocation, Outcome
from awsrun.local.functions.process import Place, Process, Stopped
from awsrun.local.state import remove

START = 10.0  # seconds; where the first start takes longer, there is a second one, within the function's timeout


@dataclass(frozen=True)
class _Answer:
    """What came of an event, or of a start that failed.

    Attributes:
        kind: of error; empty for none.
        over: whether the process is.
    """

    payload: bytes
    kind: str = ""
    status: str = ""
    log: str = ""
    over: bool = False


class ExecutionEnvironment:
    """Runs invocations of ``definition``, one at a time; the process is started with the first.

    Args:
        closed: called when the environment is over.
    """

    def __init__(self, definition: Definition, place: Place, stream: Stream, closed: Callable[[], None]) -> None:
        self.definition = definition
        self.made = time.monotonic()
        self._place, self._stream, self._over = place, stream, closed
        self._process: Process | None = None
        self._closed = False
        self._ending = threading.Lock()
        self._ended = False

    @property
    def alive(self) -> bool:
        """Whether it can take an invocation."""
        return not self._closed and (self._process is None or not self._process.over)

    def invoke(self, invocation: Invocation, started: Callable[[], None] = lambda: None) -> Outcome:
        """Run the handler once.  Where the process itself fails, the environment is closed.

        Args:
            started: called when the process is up, or failed to be, before the handler runs.
        Raises:
            OSError: the machine has no process or file left for it.
        """
        answer, init = None, None
        try:
            if self._process is None:
                answer, init = self._start(invocation.id)
        finally:
            started()
        self._stream.say(f"START RequestId: {invocation.id} Version: {self.definition.version}")
        began = time.monotonic()
        deadline = began + self.definition.timeout
        if answer is None and self._process is None:
            answer = self._ready(invocation.id, deadline)
        if answer is None:
            answer = self._exchange(invocation, deadline)
        took = time.monotonic() - began
        peak = self._process.peak if self._process is not None else 0
        if answer.over:
            self.close()
        if answer.log:
            self._stream.say(answer.log)
        self._stream.say(f"END RequestId: {invocation.id}")
        memory = self.definition.memory
        self._stream.say(outcome.report(invocation.id, took, memory, peak, init, answer.status, answer.kind))
        return Outcome(answer.payload, bool(answer.kind), self.definition.version, self._stream.told())

    def kill(self) -> None:
        """End the process while another thread waits for it; that one closes the environment."""
        self._closed = True
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End the process and everything that it started, and delete what it wrote."""
        self._closed = True
        with self._ending:
            if self._ended:
                return
            self._ended = True
            if self._process is not None:
                self._process.end()
        remove(self._place.temporary)
        self._over()

    def _start(self, request: str) -> tuple[_Answer | None, float | None]:
        """The first start; why it failed, if it did, and how long it took, unless it was given up."""
        self._stream.say(f"INIT_START Runtime Version: python:{platform.python_version()}")
        began = time.monotonic()
        answer = self._ready(request, began + START)
        took = time.monotonic() - began
        if answer is None or answer.status != "timeout":
            return answer, took
        assert self._process is not None
        self._process.end()
        self._process = None
        self._stream.say(f"INIT_REPORT Init Duration: {took * 1000:.2f} ms\tPhase: init\tStatus: timeout")
        return None, None

    def _ready(self, request: str, deadline: float) -> _Answer | None:
        """Start the process and load the handler; what went wrong, or None."""
        process = self._process = Process(self._place, self.definition.memory, self._stream.say)

        def started() -> _Answer | None:
            head, body = process.receive(deadline)
            if head["kind"] == "ready":
                return None
            return _Answer(body, head["type"], "error", head["log"], over=True)

        return self._guarded(request, started)

    def _exchange(self, invocation: Invocation, deadline: float) -> _Answer:
        """Hand over the event and take the answer."""
        process = self._process
        assert process is not None
        head = {
            "kind": "invoke",
            "id": invocation.id,
            "arn": invocation.arn,
            "deadline": (time.time() + deadline - time.monotonic()) * 1000,
            "client_context": json.loads(invocation.client_context or "null"),
            "trace": _trace(invocation.id),
        }

        def answered() -> _Answer:
            process.send(head, invocation.payload, deadline)
            told, body = process.receive(deadline)
            if told["kind"] == "response":
                return _Answer(body)
            return _Answer(body, told["type"], "error", told["log"])

        answer = self._guarded(invocation.id, answered)
        assert answer is not None
        return answer

    def _guarded(self, request: str, work: Callable[[], Any]) -> _Answer | None:
        """What ``work`` returns, or the failure that it ended with."""
        try:
            found: _Answer | None = work()
            return found
        except Stopped as stopped:
            failure = stopped.failure
        except TimeoutError:
            failure = outcome.timed_out(self.definition.timeout)
        return _Answer(failure.payload(request), failure.kind, failure.status, failure.line(request), over=True)


def _trace(request: str) -> str:
    """X-Ray's header, of a request that is not sampled."""
    return f"Root=1-{int(time.time()):08x}-{request.replace('-', '')[:24]};Sampled=0"
