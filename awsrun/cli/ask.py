"""Asks a person before something is lost; nobody there means no."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from awsrun.aws.errors import AwsrunError, Stopped


def agreed(question: str, yes: bool, why: str) -> bool:
    """Whether to go on: ``yes`` (the option ``--yes``) answers, else a person at a terminal does.

    Args:
        why: what would be done, for the refusal where nobody can be asked.

    Raises:
        AwsrunError: there is no terminal to ask at.
        Stopped: Ctrl-C (or Ctrl-D) was the answer.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise AwsrunError("nothing was done: this needs a yes, and there is no terminal to ask at", why, "add --yes")
    try:
        with _interruptible():
            return click.confirm(question, err=True)
    except click.Abort:
        raise Stopped("stopped: nothing was done") from None


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C at a question ends the command, although engines see to it that it lets calls in flight finish."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
