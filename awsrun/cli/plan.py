"""``awsrun plan``: what apply would change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from awsrun.cli.output import common, connect, emit
from awsrun.cli.specs import only_option, refresh_option, variables_option


@click.command()
@click.argument("spec", type=click.Path())
@click.option("--details", is_flag=True, help="Also what is set of each new resource.")
@only_option
@refresh_option
@variables_option
@common
def plan(
    spec: str,
    variables: Mapping[str, str],
    only: Sequence[str],
    refresh: Sequence[str],
    details: bool,
    context: str | None,
    as_json: bool,
) -> int:
    """Show what `awsrun apply SPEC` would change.  Nothing is written.

    \b
      awsrun plan specs/batch.yaml
      awsrun plan specs/batch.yaml --json

    +  created   ~  updated in place   -/+  replaced   -  deleted

    Exit code: 0 no change, 2 changes, 1 error.
    """
    from awsrun.cli.changes import show_changes
    from awsrun.reconcile import api

    stack = api.load(spec, variables)
    found = api.plan(stack, connect(context, api.services(stack)), only, refresh)
    if as_json:
        emit(found.to_json())
    else:
        show_changes(found, click.echo, details)
    return 2 if found else 0
