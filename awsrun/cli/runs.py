"""``awsrun runs`` and ``awsrun show``: what was submitted, and how it is getting on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from awsrun.cli.complete import stack_names
from awsrun.cli.output import common, connect, emit, say

if TYPE_CHECKING:
    from rich.console import RenderableType

    from awsrun.jobs.run import Run
    from awsrun.jobs.status import Status

stack_option = click.option("--stack", shell_complete=stack_names, help="Look in this stack only.")


@click.command()
@click.option("-n", "limit", type=int, default=20, show_default=True, help="How many.")
@stack_option
@common
def runs(limit: int, stack: str | None, context: str | None, as_json: bool) -> None:
    """List runs, newest first; those of stacks that were torn down too.

    \b
      awsrun runs
      awsrun runs -n 100 --json
    """
    from awsrun.jobs.site import entries

    found = entries(connect(context), stack, limit)
    if as_json:
        emit([{"stack": where, **entry.__dict__} for where, entry in found])
        return
    if not found:
        say("no runs yet: awsrun submit jobs/mnist.py --grid lr=0.1,0.01")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("run", "job", "trials", "state", "submitted (UTC)", "stack", box=None, header_style="bold")
    for where, entry in found:
        at = entry.submitted_at[:16].replace("T", " ")
        table.add_row(entry.run, entry.job, f"{entry.total:,}", entry.state, at, where)
    Console().print(table)


@click.command()
@click.argument("run", default="last")
@click.option("--watch", "-w", is_flag=True, help="Keep showing until it is over.")
@stack_option
@common
def show(run: str, watch: bool, stack: str | None, context: str | None, as_json: bool) -> int:
    """Show how RUN is getting on: workers by stage, trials by state, the best so far.

    \b
      awsrun show last
      awsrun show mnist-1123-1432-k3f --watch

    RUN is a run's id, a prefix that fits only one, or `last`.  Ctrl-C ends the watching, never the run.
    """
    from awsrun.jobs.run import Run

    found = Run(run, stack=stack, cloud=connect(context))
    if as_json:
        emit(found.status().record())
        return 0
    from rich.console import Console

    if watch and Console().is_terminal:
        return _watch(found)
    if watch:
        from awsrun.cli.follow import follow

        return follow(found)
    Console().print(_panel(found, found.status()))
    return 0


def _watch(run: Run) -> int:
    from rich.live import Live

    from awsrun.cli.follow import conclude

    begun = time.monotonic()
    try:
        with Live(refresh_per_second=4) as live:
            status = run.wait(progress=lambda status: live.update(_panel(run, status, time.monotonic() - begun)))
    except KeyboardInterrupt:
        say(f"{run.id} goes on; come back with: awsrun show {run.id} --watch")
        return 130
    conclude(status)
    return 0


def _panel(run: Run, status: Status, watched: float | None = None) -> RenderableType:
    from rich.columns import Columns
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    from awsrun.cli import follow

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    for name, value in _facts(run, status, follow).items():
        if value:
            table.add_row(name, value)
    finished = status.done + status.failed + status.counts.get("cancelled", 0)
    bar = ProgressBar(total=max(1, status.total), completed=finished, width=60)
    return Group(Columns([bar]), table)


def _facts(run: Run, status: Status, follow: Any) -> dict[str, str]:
    best = status.best
    shown = f"{follow.measured(status.metric, best.value)} {status.metric}, trial {best.n}" if best else ""
    return {
        "run": f"{status.run}  ({status.job}, stack {run.stack})",
        "state": status.state,
        "trials": f"{follow.counted(status)} of {status.total:,}",
        "workers": follow.workers(status.workers) if status.workers else "",
        "best": f"{shown} ({follow.parameters(best.params, status.fixed)})" if best else "",
        "time left": f"about {follow.lasting(status.eta)}" if status.eta else "",
        "ends once": status.stops if not status.over else "",
        "stopped": status.stopped,
        "trial time": follow.lasting(status.seconds) if status.seconds else "",
        "cost": follow.spent(status.costs) if status.costs else "",
        "Batch says": "; ".join(status.reasons),
        "error": str((status.error or {}).get("traceback") or (status.error or {}).get("message") or "").rstrip(),
        "next": status.hint,
    }
