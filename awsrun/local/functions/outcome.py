"""How an invocation ended, and how AWS words what went wrong in it."""

from __future__ import annotations

import json
import math
import signal
from dataclasses import dataclass
from datetime import datetime, timezone

# https://github.com/adobe/helix-html2md-service/issues/1001
OUT_OF_MEMORY = "Runtime.OutOfMemory"
# https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html
TIMED_OUT = "Sandbox.Timedout"
# https://github.com/awslabs/aws-lambda-cpp/issues/30
EXITED = "Runtime.ExitError"


@dataclass(frozen=True)
class Invocation:
    """One call of a function.

    Attributes:
        arn: as the caller named the function.
        payload: JSON.
        client_context: of mobile clients, as JSON.
    """

    id: str
    arn: str
    payload: bytes
    client_context: str = ""


@dataclass(frozen=True)
class Failure:
    """A function that did not answer.

    Attributes:
        kind: AWS's name for it.
        status: as REPORT lines have it.
    """

    kind: str
    message: str
    status: str = "error"

    def payload(self, request: str) -> bytes:
        """What the caller gets in place of the answer."""
        said = f"RequestId: {request} Error: {self.message}"
        return json.dumps({"errorType": self.kind, "errorMessage": said}).encode()

    def line(self, request: str) -> str:
        """What the log says of it."""
        if self.kind == TIMED_OUT:
            return f"{_stamp()} {request} {self.message}"
        return f"RequestId: {request} Error: {self.message}\n{self.kind}"


@dataclass(frozen=True)
class Outcome:
    """What a caller gets.

    Attributes:
        payload: the handler's answer, or the error, as JSON.
        failed: whether it is an error; AWS calls all of them Unhandled.
        version: that was executed.
        log: the end of the log, 4 KB.
    """

    payload: bytes
    failed: bool
    version: str
    log: bytes


def timed_out(seconds: int) -> Failure:
    """It took longer than it may."""
    return Failure(TIMED_OUT, f"Task timed out after {seconds:.2f} seconds", "timeout")


def out_of_memory() -> Failure:
    """It wanted more than it may have."""
    return Failure(OUT_OF_MEMORY, "Runtime exited with error: signal: killed")


def exited(code: int) -> Failure:
    """Its process ended; ``code`` as `subprocess` has it."""
    if code == 0:
        return Failure(EXITED, "Runtime exited without providing a reason")
    if code > 0:
        return Failure(EXITED, f"Runtime exited with error: exit status {code}")
    name = (signal.strsignal(-code) or f"signal {-code}").lower()
    return Failure(EXITED, f"Runtime exited with error: signal: {name}")


def report(request: str, seconds: float, memory: int, peak: int, init: float | None, failure: str, kind: str) -> str:
    """The REPORT line.  Since August 2025 the time of the start is paid as well
    (https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/).

    Args:
        memory: MB.
        peak: bytes.
        init: seconds, where there was a start.
        failure: ``error`` or ``timeout``; empty for neither.
        kind: of the error.
    """
    words = [
        f"REPORT RequestId: {request}",
        f"Duration: {seconds * 1000:.2f} ms",
        f"Billed Duration: {math.ceil((seconds + (init or 0.0)) * 1000)} ms",
        f"Memory Size: {memory} MB",
        f"Max Memory Used: {min(memory, math.ceil(peak / 2**20))} MB",
    ]
    if init is not None:
        words.append(f"Init Duration: {init * 1000:.2f} ms")
    if failure:
        words.append(f"Status: {failure}")
    if failure == "error":
        words.append(f"Error Type: {kind}")
    return "\t".join(words) + "\t"


def _stamp() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
