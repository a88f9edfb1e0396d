"""``awsrun use``: which cloud commands talk to."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from awsrun.cli.output import emit, json_option, say

if TYPE_CHECKING:
    from awsrun.aws.context import Context


@click.command()
@click.argument("context", type=click.Choice(["local", "aws"]), required=False)
@click.option("--profile", help="Profile of ~/.aws/config (default: boto3's own search).")
@click.option("--region", help="AWS region (default: the profile's, or AWS_REGION).")
@click.option("--boundary", metavar="ARN", help="Managed policy that bounds all roles that stacks make.")
@click.option(
    "--ask-over", type=click.FloatRange(min=0), metavar="USD", help="What a run may cost without a yes (default: 10)."
)
@json_option
def use(
    context: str | None,
    profile: str | None,
    region: str | None,
    boundary: str | None,
    ask_over: float | None,
    as_json: bool,
) -> None:
    """Show or switch the cloud that commands talk to.

    \b
      awsrun use                                     which one is it?
      awsrun use local                               the embedded cloud on this machine: nothing is billed
      awsrun use aws --profile work --region eu-west-1
      awsrun use aws --profile work --ask-over 50    submit asks before a run that will cost more than $50

    Switching to aws asks AWS who you are and pins the account: should the profile ever lead to another one, commands
    are refused until you switch again.  `--context` and AWSRUN_CONTEXT override it for one command.
    """
    from awsrun.aws import context as contexts

    if context is None:
        if profile or region or boundary or ask_over is not None:
            raise click.UsageError("say which context: awsrun use aws --profile P --region R")
        chosen = contexts.current()
    else:
        chosen = _switch(context, profile, region, boundary, ask_over)
    if as_json:
        emit({"context": chosen.name} | {key: value for key, value in asdict(chosen).items() if key != "name"})
    else:
        click.echo(chosen)
        _explain(chosen)


def _switch(
    name: str, profile: str | None, region: str | None, boundary: str | None, ask_over: float | None
) -> Context:
    from awsrun.aws import context as contexts
    from awsrun.aws.clients import connect

    if name == "local" and (profile or region or boundary or ask_over is not None):
        raise click.UsageError("--profile, --region, --boundary and --ask-over belong to: awsrun use aws")
    chosen = contexts.LOCAL
    if name == "aws":
        wanted = contexts.Context("aws", region, profile, None, contexts.check_boundary(boundary), ask_over)
        chosen = connect(wanted).context
    contexts.use(chosen)
    return chosen


def _explain(chosen: Context) -> None:
    if chosen.name == "local":
        say("the embedded cloud on this machine: jobs really run, nothing is billed")
    elif chosen.account:
        say(f"account {chosen.account}: what you apply there is billed; `awsrun teardown --all` removes it")
    if chosen.boundary:
        say(f"roles that stacks make are bounded by {chosen.boundary}")
