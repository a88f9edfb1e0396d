"""``awsrun doctor``: what would go wrong, said before it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from awsrun.cli.output import common, emit, say
from awsrun.cli.specs import variables_option

if TYPE_CHECKING:
    from awsrun.aws.clients import Cloud
    from awsrun.aws.rights import Right
    from awsrun.preflight.check import Check, Finding
    from awsrun.spec.stack import StackSpec

_COLOURS = {"ok": "green", "note": None, "warning": "yellow", "error": "red"}


@click.command()
@click.argument("spec", type=click.Path(), required=False)
@variables_option
@common
def doctor(spec: str | None, variables: Mapping[str, str], context: str | None, as_json: bool) -> int:
    """Look for what would go wrong later: on this machine, with the credentials, in the account, with SPEC in it.

    \b
      awsrun doctor
      awsrun doctor specs/batch.yaml --context aws

    Of the account: who the credentials are, whether they may do what SPEC takes (asked of IAM), whether the quotas
    leave room for its machines (a new account has no GPUs: jobs would wait for ever), service-linked roles.  Nothing
    is changed.  Each finding says what to type next.

    Exit code: 0 fine (there may be warnings), 1 an error was found.
    """
    from awsrun.aws.context import current
    from awsrun.preflight import suite
    from awsrun.preflight.check import Watch

    stack, found = _loaded(spec, variables)
    resources = stack.resources if stack else {}
    chosen = current(context)
    checks = suite.of_machine(resources, chosen.name == "aws")
    here = Watch(checks)
    cloud = None
    if chosen.name == "aws":
        cloud, refused = _connected(context)
        found += refused
    there: list[Check] = []
    if cloud is not None:
        rights = _rights(stack, cloud) if stack else []
        name, jobs = (stack.stack, stack.jobs) if stack else ("", None)
        there = suite.of_account(cloud, name, resources, jobs, rights, spec or "SPEC")
    abroad = Watch(there)
    _say_how_long([*checks, *there])
    found += [*here.findings(), *abroad.findings()]
    failed = any(one.severity == "error" for one in found)
    if as_json:
        limits = [{"name": one.name, "seconds_at_most": one.most} for one in [*checks, *there]]
        head = {"context": str(cloud.context if cloud else chosen), "spec": spec, "fine": not failed, "checks": limits}
        emit({**head, "findings": [one.to_json() for one in found]})
    else:
        show_findings(found)
        if chosen.name == "local":
            say("of an AWS account nothing was looked at: awsrun doctor --context aws")
    return 1 if failed else 0


def show_findings(found: Sequence[Finding]) -> None:
    """One line each, and below it why it matters and what to type next."""
    width = max((len(one.check) for one in found), default=0)
    for one in found:
        severity = click.style(f"{one.severity:<7}", fg=_COLOURS[one.severity])
        click.echo(f"{severity}  {one.check:<{width}}  {one.what}")
        for line in filter(None, (one.why, one.hint and f"→ {one.hint}")):
            click.echo(f"{'':<9}{'':<{width}}  {line}")


def _loaded(spec: str | None, variables: Mapping[str, str]) -> tuple[StackSpec | None, list[Finding]]:
    from awsrun.aws.errors import AwsrunError
    from awsrun.preflight.check import Finding
    from awsrun.reconcile import api

    try:
        return (api.load(spec, variables), []) if spec else (None, [])
    except AwsrunError as error:
        hint = error.hint or f"mend {spec}, then: awsrun doctor {spec}"
        return None, [Finding("error", "spec", error.what, error.why, hint)]


def _connected(context: str | None) -> tuple[Cloud | None, list[Finding]]:
    from awsrun.aws.errors import AwsrunError
    from awsrun.cli.output import connect
    from awsrun.preflight.check import Finding

    try:
        return connect(context), []
    except AwsrunError as error:
        return None, [Finding("error", "credentials", error.what, error.why, error.hint)]


def _rights(stack: StackSpec, cloud: Cloud) -> list[Right]:
    from awsrun.cli.policy import EVERYTHING, rights_of

    return rights_of(stack, cloud, (EVERYTHING,))


def _say_how_long(checks: Sequence[Check]) -> None:
    longest = max(checks, key=lambda one: one.most)
    say(click.style(f"looking ({longest.most:g} s at most, for {longest.name}) ...", dim=True))
