"""``awsrun logs``: what trials wrote."""

from __future__ import annotations

import click

from awsrun.cli.output import connect, context_option, say
from awsrun.cli.runs import stack_option


@click.command()
@click.argument("run", default="last")
@click.argument("trial", type=int, required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on until it is over.")
@stack_option
@context_option
def logs(run: str, trial: int | None, follow: bool, stack: str | None, context: str | None) -> int:
    """Print what TRIAL of RUN wrote, or what all workers did.

    \b
      awsrun logs last 3
      awsrun logs mnist-1123-1432-k3f -f

    Of a trial only its own lines are shown, those of its latest attempt.
    """
    from awsrun.jobs.run import Run

    found = Run(run, stack=stack, cloud=connect(context))
    shown = 0
    try:
        for line in found.logs(trial, follow):
            mark = "" if trial is not None or line.trial is None else click.style(f"[{line.trial}] ", dim=True)
            click.echo(mark + line.text)
            shown += 1
    except KeyboardInterrupt:
        say(f"{found.id} goes on")
        return 130
    if not shown:
        whose = f"trial {trial} of {found.id}" if trial is not None else found.id
        say(f"{whose} has written nothing that has arrived yet")
    return 0
