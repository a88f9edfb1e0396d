"""Calls to AWS: what is repeated, what is looked at first, what ends everything.

Mutating calls are sent once; only this file repeats them, and only where AWS said that nothing was done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from botocore import exceptions as boto

from awsrun.aws.errors import AwsrunError, code_of, login, matches, message_of, outcome
from awsrun.reconcile.clock import Clock, Timing
from awsrun.reconcile.halt import Halt, Halted
from awsrun.resources.kind import Kind

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")
Passing = Callable[[BaseException], bool]
"""Whether the very same call will pass later."""
Verb = Literal["create", "update", "tag", "delete", "empty"]

# Errors of botocore that come without an answer of AWS.  The request may have arrived.
_NO_ANSWER = (boto.HTTPClientError, ConnectionError, TimeoutError)
NO_ADVICE: Mapping[str, str] = {}
_MEND = "mend the cause and run again"


class Uncertain(Exception):
    """A mutating call was sent and nobody knows whether it was done: look before repeating it."""


class Blocked(Exception):
    """AWS will not delete it while something else is there; the text says what."""


class Refused(Exception):
    """AWS refused an update that will pass later, or of which a part was done before: look before repeating it."""


class Gone(Exception):
    """AWS says that it is not there."""


class Calls:
    """Makes the calls of one command.

    Args:
        gate: called before each mutating call; raises Halted where the lock no longer allows one.
    """

    def __init__(self, clock: Clock, timing: Timing, halt: Halt, gate: Callable[[], None] = lambda: None) -> None:
        self.clock, self.timing, self.halt, self.gate = clock, timing, halt, gate
        self._pace = _Pace(clock, timing.pace)

    def read(self, call: Callable[[], T], later: Passing = lambda error: False) -> T:
        """A call that changes nothing.  botocore repeats it a few times, within seconds; throttling and trouble at AWS
        may last longer, and so may ``later``."""
        return self._patiently(
            lambda: self._sent(call), lambda error: _throttled(error) or _troubled(error) or later(error)
        )

    def write(self, kind: Kind[Any, Any], verb: Verb, call: Callable[[], T]) -> T:
        """One mutating call of a kind, repeated while AWS says that it was not done and will pass later.

        Raises:
            Uncertain, Blocked, Refused, Gone: see there.
            Halted: the command is being stopped; the call was not made.
        """
        taken = kind.exists if verb == "create" else frozenset()  # DynamoDB says the same of a table that is changing
        passing = frozenset() if verb in ("delete", "update") else kind.retry - taken

        def later(error: BaseException) -> bool:
            """The same tags set twice are the same tags: such a call may be made again without a look."""
            return _throttled(error) or matches(error, passing) or (verb == "tag" and no_answer(error))

        try:
            return self._patiently(lambda: self._once(kind, verb, call), later)
        except Exception as error:
            if isinstance(error, Halted):
                raise
            if no_answer(error):
                raise Uncertain(message_of(error)) from error
            if verb != "create" and matches(error, kind.absent):
                raise Gone from error
            if verb == "update" and matches(error, kind.retry):
                raise Refused(message_of(error)) from error
            if verb == "delete" and matches(error, kind.blocked | kind.retry):
                raise Blocked(message_of(error)) from error
            raise

    def put(self, call: Callable[[], T], later: Passing = lambda error: False) -> T:
        """A mutating call that may be made twice (an unconditional put): repeated without looking."""
        return self._patiently(
            lambda: self._sent(call, self.gate), lambda error: _throttled(error) or no_answer(error) or later(error)
        )

    def _once(self, kind: Kind[Any, Any], verb: Verb, call: Callable[[], T]) -> T:
        self._pace.wait(kind, verb)
        return self._sent(call, self.gate)

    def _sent(self, call: Callable[[], T], gate: Callable[[], None] = lambda: None) -> T:
        self.halt.check()
        gate()
        try:
            return call()
        except Exception as error:
            self._stop_if_expired(error)
            raise

    def _patiently(self, call: Callable[[], T], passing: Passing) -> T:
        try:
            return call()
        except Exception as error:
            if not passing(error):
                raise
            first = [error]
        # Its import brings asyncio along, and tornado where that is installed: 15 ms for who has to repeat something.
        from tenacity import Retrying, retry_if_exception, wait_exponential_jitter

        limit = self.clock.monotonic() + self.timing.patience

        def enough(state: RetryCallState) -> bool:
            return self.halt.reason is not None or self.clock.monotonic() > limit

        def once() -> T:
            if first:
                raise first.pop()
            return call()

        timing = self.timing
        retrying = Retrying(
            sleep=self.clock.sleep,
            stop=enough,
            wait=wait_exponential_jitter(multiplier=timing.first, max=timing.most, jitter=timing.first),
            retry=retry_if_exception(passing),
            reraise=True,
        )
        return retrying(once)

    def _stop_if_expired(self, error: BaseException) -> None:
        if outcome(error) == "expired":
            how = f"log in{f' ({command})' if (command := login(error)) else ''} and run the same again"
            reason = AwsrunError("the credentials have run out", message_of(error), how)
            self.halt.stop(reason)
            raise Halted from error


class _Pace:
    """Keeps calls of one verb of one kind apart, where AWS limits an account to one in so many seconds.

    Args:
        scale: seconds here for one second of AWS.
    """

    def __init__(self, clock: Clock, scale: float) -> None:
        self._clock, self._scale = clock, scale
        self._free: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def wait(self, kind: Kind[Any, Any], verb: str) -> None:
        seconds = kind.pace.get(verb, 0.0) * self._scale
        if not seconds:
            return
        with self._lock:
            now = self._clock.monotonic()
            turn = max(now, self._free.get((kind.kind, verb), now))
            self._free[kind.kind, verb] = turn + seconds
        if turn > now:
            self._clock.sleep(turn - now)


def no_answer(error: BaseException) -> bool:
    """Whether a mutating call that failed like this may have been done all the same."""
    return isinstance(error, _NO_ANSWER) or _troubled(error)


def _troubled(error: BaseException) -> bool:
    """Whether AWS answered that something went wrong on its own side."""
    return bool(code_of(error)) and outcome(error) == "unknown"


def _throttled(error: BaseException) -> bool:
    return outcome(error) == "throttled"


def explain(error: BaseException, what: str, advice: Mapping[str, str] = NO_ADVICE) -> AwsrunError:
    """Any error as a user reads it; ``what`` could not be done.  ``advice``: see `awsrun.resources.kind.Kind`."""
    if isinstance(error, AwsrunError):
        return error
    code = code_of(error)
    denied = "the rights that it takes: awsrun policy SPEC; then run again"
    hint = denied if _denied(code) else advice.get(code, _MEND)
    return AwsrunError(f"could not {what}", f"{code}: {message_of(error)}" if code else message_of(error), hint)


def _denied(code: str) -> bool:
    return "AccessDenied" in code or "Unauthorized" in code or code in ("403", "Forbidden")
