"""Errors as data: what a user reads, and what the engine decides by.

Decisions about AWS errors go by code, or by ``"Code:text"`` where AWS answers everything with one code (Batch says
``ClientException`` whatever happened).  Nothing in awsrun decides by an exception's class or by its message alone, but
for what botocore says itself, before it asks AWS: of logins that have ended.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from traceback import extract_tb
from typing import Literal

_OURS = Path(__file__).parent.parent
Outcome = Literal["throttled", "expired", "unknown", "refused"]

# https://docs.aws.amazon.com/general/latest/gr/api-retries.html and botocore's own list of throttling codes.
THROTTLES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        # ECS, whose own calls of EC2 were throttled: https://github.com/dagster-io/dagster/issues/33439
        "InvalidParameterException:(ErrorCode: RequestLimitExceeded)",
        "InvalidParameterException:(ErrorCode: Throttling)",
        "LimitExceededException:Rate exceeded",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
# botocore's own errors, and what has them mended: its classes, by name.
_NO_LOGIN: Mapping[str, str] = {
    "SSOError": "aws sso login",
    "TokenRetrievalError": "aws sso login",
    "LoginError": "aws login",
    "RefreshWithMFAUnsupportedError": "",  # whoever starts anew is asked for a code
    "CredentialRetrievalError": "",
    "NoCredentialsError": "",
    "PartialCredentialsError": "",
}
# What this identity may not do; 403 is S3's answer to a HEAD, which has no body to say more.
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"})


class AwsrunError(Exception):
    """What a user is told: what happened, why, and what to type next.

    Args:
        what: one sentence, no full stop needed.
        why: the cause, as far as it is known.
        hint: the command or the change that mends it.
    """

    def __init__(self, what: str, why: str = "", hint: str = "") -> None:
        super().__init__(what, why, hint)
        self.what, self.why, self.hint = what, why, hint

    def __str__(self) -> str:
        return "\n".join(part for part in (self.what, self.why, self.hint and f"→ {self.hint}") if part)

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the line that asked for it, and what the commands print; no page of frames."""
        asked = [frame for frame in extract_tb(self.__traceback__) if not Path(frame.filename).is_relative_to(_OURS)]
        where = [f"line {frame.lineno}: {frame.line}" for frame in asked[-1:] if frame.line]
        return [*where, f"{type(self).__name__}: {self}"]


class Stopped(AwsrunError):
    """A command ended because somebody told it to; what is under way goes on, or is taken up by what the hint says.

    Args:
        number: the signal that said so: SIGINT for Ctrl-C.
    """

    def __init__(self, what: str, why: str = "", hint: str = "", number: int = signal.SIGINT) -> None:
        super().__init__(what, why, hint)
        self.number = number


def code_of(error: BaseException) -> str:
    """The AWS error code of a botocore ``ClientError``; empty for anything else."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def message_of(error: BaseException) -> str:
    """AWS's own sentence where there is one, else the exception's text."""
    response = getattr(error, "response", None)
    text = response.get("Error", {}).get("Message", "") if isinstance(response, dict) else ""
    return str(text) or str(error) or type(error).__name__


def matches(error: BaseException, codes: Iterable[str]) -> bool:
    """Whether ``error`` is one of ``codes``, each ``"Code"`` or ``"Code:substring of the message"``."""
    code, message = code_of(error), message_of(error).lower()
    if not code:
        return False
    for wanted in codes:
        name, _, text = wanted.partition(":")
        if name == code and text.lower() in message:
            return True
    return False


def logged_out(error: BaseException) -> bool:
    """Whether a login has ended, or there was none: nothing was done then."""
    return matches(error, EXPIRED) or any(one.__name__ in _NO_LOGIN for one in type(error).__mro__)


def login(error: BaseException, profile: str | None = None) -> str:
    """The command that logs in again, where the error tells which it is; else empty."""
    found = next((command for one in type(error).__mro__ if (command := _NO_LOGIN.get(one.__name__))), "")
    return f"{found} --profile {profile}" if found and profile else found


def outcome(error: BaseException) -> Outcome:
    """What a failed mutating call says of the world.

    ``throttled``: nothing was done, try again later.  ``expired``: nothing was done, the user must log in again.
    ``refused``: nothing was done, AWS says why.  ``unknown``: it may have been done (a time-out, a dropped connection,
    a 5xx), so look before doing it again.
    """
    if matches(error, THROTTLES):
        return "throttled"
    if logged_out(error):
        return "expired"
    if not code_of(error):
        return "unknown"
    response: dict[str, dict[str, int]] = getattr(error, "response", {})
    return "unknown" if response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500 else "refused"
