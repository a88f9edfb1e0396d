"""Checks, run side by side: none can fail the others, none can hold anything up for longer than it says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

from awsrun.aws.errors import DENIED, AwsrunError, code_of, matches, message_of

A = TypeVar("A")
B = TypeVar("B")
Severity = Literal["ok", "note", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        severity: ``ok``; ``note``: good to know, or could not be looked at; ``warning``: something will be less than
            asked for; ``error``: something will not work.
        check: the name of the check.
        what: what was found, in one line.
        why: what follows from it.
        hint: what to type next; empty where there is nothing to do.
    """

    severity: Severity
    check: str
    what: str
    why: str = ""
    hint: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Check:
    """Something to look at.

    Attributes:
        most: seconds that it takes at most; what takes longer is given up.
        look: yields what it finds; may raise anything.
        needs: the permission that it takes, as IAM spells it, for the message where it is missing.
    """

    name: str
    most: float
    look: Callable[[], Iterable[Finding]]
    needs: str = ""


class Watch:
    """Checks under way, each in a thread of its own that ends with the process at the latest."""

    def __init__(self, checks: Sequence[Check]) -> None:
        self._checks = list(checks)
        self._found: dict[str, list[Finding]] = {}
        self._began = time.monotonic()
        self._threads = [threading.Thread(target=self._look, args=(one,), daemon=True) for one in self._checks]
        for thread in self._threads:
            thread.start()

    def findings(self, patience: float | None = None) -> list[Finding]:
        """What was found, in the order of the checks.

        Args:
            patience: seconds to wait from now; what has not ended then is left out.  None waits as long as each check
                says, and names those that did not end.
        """
        now = time.monotonic()
        for check, thread in zip(self._checks, self._threads, strict=True):
            ends = self._began + check.most if patience is None else now + patience
            thread.join(max(0.0, ends - time.monotonic()))
        late = [] if patience is not None else [one for one in self._checks if one.name not in self._found]
        found = dict(self._found)
        unanswered = {one.name: [_late(one)] for one in late}
        return [finding for one in self._checks for finding in found.get(one.name, unanswered.get(one.name, []))]

    def _look(self, check: Check) -> None:
        try:
            found = list(check.look())
        except Exception as error:  # a check that breaks says so, and nothing more comes of it
            found = [_broken(check, error)]
        self._found[check.name] = found


def side_by_side(work: Callable[[A], B], items: Iterable[A], at_once: int) -> list[B]:
    """``work`` of each item, in order of the items; the first error is raised.

    Executors of the standard library are waited for when the process ends; these threads are not, so that calls which
    AWS does not answer keep no command from ending.
    """
    listed = list(items)
    left, results, errors = iter(range(len(listed))), dict[int, B](), list[Exception]()
    lock = threading.Lock()

    def go_on() -> None:
        while not errors:
            with lock:
                index = next(left, None)
            if index is None:
                return
            try:
                results[index] = work(listed[index])
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=go_on, daemon=True) for _ in range(min(at_once, len(listed)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [results[index] for index in range(len(listed))]


def _late(check: Check) -> Finding:
    return Finding("warning", check.name, f"no answer within {check.most:g} s", "nothing is known of it")


def _broken(check: Check, error: Exception) -> Finding:
    if isinstance(error, AwsrunError):
        return Finding("error", check.name, error.what, error.why, error.hint)
    if matches(error, DENIED):
        hint = f"allow {check.needs}, or look yourself" if check.needs else ""
        return Finding("note", check.name, "could not be looked at", f"not allowed: {message_of(error)}", hint)
    code = code_of(error) or type(error).__name__
    return Finding("note", check.name, "could not be looked at", f"{code}: {message_of(error)}")
