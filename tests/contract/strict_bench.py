"""What tests of the strict cloud share: refusals by code, and polling for what comes in its own time."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from botocore.exceptions import ClientError

from awsrun.aws.errors import matches

PATIENCE = 60.0  # seconds
T = TypeVar("T")


def unique(prefix: str = "s") -> str:
    """A name that no other test has."""
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def refused(code: str, call: Callable[..., Any], **arguments: Any) -> None:
    """The call is refused with ``code``, or ``"Code:text"``."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert matches(caught.value, (code,)), f"not {code}: {caught.value}"


def sometimes(code: str, attempt: Callable[[str], Any]) -> str:
    """``attempt`` is refused with ``code`` for one of many new names, which is returned.

    For what lasts only milliseconds here, of which a busy machine may miss some.
    """
    for _ in range(100):
        name = unique()
        try:
            attempt(name)
        except ClientError as error:
            if not matches(error, (code,)):
                raise
            return name
    raise AssertionError(f"never refused with {code}")


def until(condition: Callable[[], T]) -> T:
    """What ``condition`` returns once it is true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.005)
    raise AssertionError("it never happened")


def passes(code: str, call: Callable[..., T], **arguments: Any) -> T:
    """What the call returns once it is not refused with ``code`` any more."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return call(**arguments)
        except ClientError as error:
            if time.monotonic() > end or not matches(error, (code,)):
                raise
        time.sleep(0.005)


def at_once(calls: int, call: Callable[[int], Any]) -> list[ClientError]:
    """The refusals of so many calls that are made at the same moment."""
    errors: list[ClientError] = []
    together = threading.Barrier(calls)

    def run(number: int) -> None:
        together.wait()
        try:
            call(number)
        except ClientError as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors
