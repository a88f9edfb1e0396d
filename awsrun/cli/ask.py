"""Asks a person before something is lost; nobody there means no."""

from __future__ import annotations

import sys

import click

from awsrun.aws.errors import AwsrunError
from awsrun.cli.output import say


def agreed(question: str, yes: bool, why: str) -> bool:
    """Whether to go on: ``yes`` (the option ``--yes``) answers, else a person at a terminal does.

    Args:
        why: what would be done, for the refusal where nobody can be asked.

    Raises:
        AwsrunError: there is no terminal to ask at.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise AwsrunError("nothing was done: this needs a yes, and there is no terminal to ask at", why, "add --yes")
    if click.confirm(question, err=True):
        return True
    say("nothing was done")
    return False
