"""``awsrun apply``: make AWS look like a spec."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from awsrun.cli.output import common, connect, emit, say
from awsrun.cli.specs import only_option, refresh_option, variables_option

if TYPE_CHECKING:
    from awsrun.reconcile.apply import Applied
    from awsrun.reconcile.plan import Plan
    from awsrun.spec.stack import StackSpec


@click.command()
@click.argument("spec", type=click.Path())
@click.option("--yes", "-y", is_flag=True, help="Do not ask before something is replaced or deleted.")
@only_option
@refresh_option
@variables_option
@common
def apply(
    spec: str,
    variables: Mapping[str, str],
    only: Sequence[str],
    refresh: Sequence[str],
    yes: bool,
    context: str | None,
    as_json: bool,
) -> int:
    """Make AWS look like SPEC.

    \b
      awsrun apply specs/batch.yaml
      awsrun apply specs/batch.yaml --yes --json
      awsrun apply specs/batch.yaml --only results              that bucket, and what it needs
      awsrun apply specs/ec2.yaml --refresh web                 a new server, of the newest image

    Shows the plan first, and asks before anything is replaced or deleted; what only creates or changes in place goes
    ahead.  Stopped or killed at any point, the same command goes on from what is there.  A resource that fails stops
    only those that need it.

    Exit code: 0 AWS is as the spec has it, 1 something failed, 130 Ctrl-C.
    """
    from awsrun.cli.progress import Progress
    from awsrun.reconcile import api

    stack = api.load(spec, variables)
    cloud = connect(context, api.services(stack))
    out: Callable[[str], Any] = say if as_json else click.echo
    confirm = _Confirm(out, yes)
    with Progress() as progress:
        confirm.progress = progress
        result = api.apply(stack, cloud, confirm, progress, only, refresh)
    if as_json:
        emit(result.to_json())
    if not confirm.shown:
        of_these = f" of {' and '.join(only)} and what that needs" if only else ""
        out(f"stack {result.stack}: no change{of_these}")
    else:
        _tell(stack, result, out, time.monotonic() - confirm.since)
    return 1 if result.failed else 0


class _Confirm:
    """Shows the plan, and asks where something would be lost."""

    def __init__(self, out: Callable[[str], Any], yes: bool) -> None:
        from awsrun.cli.progress import Progress

        self._out, self._yes = out, yes
        self.progress = Progress()
        self.shown = False
        self.since = time.monotonic()

    def __call__(self, plan: Plan) -> bool:
        from awsrun.cli.ask import agreed
        from awsrun.cli.changes import show_changes, summary

        with self.progress.paused():
            if self.shown:
                self._out("the plan has changed meanwhile:")
            self.shown = True
            show_changes(plan, self._out)
            losses = Counter(change.action for change in plan.changes if change.action in ("replace", "delete"))
            if not losses:
                return True
            count = f"{sum(losses.values())} resource{'s' if sum(losses.values()) > 1 else ''}"
            words = " and ".join(f"{action}d" for action in losses)
            yes = agreed(f"{count} will be {words}. Go on?", self._yes, summary(c.action for c in plan.changes))
            self.since = time.monotonic()  # thinking is not applying
            return yes


def _tell(stack: StackSpec, result: Applied, out: Callable[[str], Any], seconds: float) -> None:
    _tell_failures(result)
    counts = Counter(done.action for done in result.applied)
    words = {"create": "created", "update": "changed", "replace": "replaced", "delete": "deleted"}
    done = ", ".join(f"{counts[action]} {word}" for action, word in words.items() if counts[action]) or "nothing done"
    out(f"stack {result.stack}: {done} in {seconds:.1f} s")
    if result.failed:
        say(f"{len(result.failed)} failed; mend the cause and run the same again: it goes on from what is there")
    else:
        say("next: awsrun submit JOB" if stack.jobs else f"next: awsrun outputs {result.stack}")


def _tell_failures(result: Applied) -> None:
    from awsrun.reconcile.parallel import Skipped

    for failure in result.failed:
        if not isinstance(failure.error, Skipped):
            say(click.style(f"{failure.name}: {failure.error.what}", fg="red"))
            for line in filter(None, (failure.error.why, failure.error.hint and f"→ {failure.error.hint}")):
                say(f"    {line}")
    if skipped := [failure.name for failure in result.failed if isinstance(failure.error, Skipped)]:
        say(f"not begun, because they need what failed: {', '.join(skipped)}")
