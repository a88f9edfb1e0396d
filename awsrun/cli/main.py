"""The ``awsrun`` command: a group whose commands are imported only when they are called."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import NoReturn

import click

from awsrun import __version__

# In the order of a user's path; "module:command" below awsrun.cli, and the line that `awsrun --help` shows.
COMMANDS = {
    "use": ("use:use", "Show or switch the cloud that commands talk to."),
    "plan": ("plan:plan", "Show what apply would change."),
    "apply": ("apply:apply", "Make AWS look like a spec."),
    "adopt": ("adopt:adopt", "Take over resources that exist already and are not awsrun's."),
    "status": ("stacks:status", "Show stacks, or the resources of one."),
    "outputs": ("stacks:outputs", "Print what a stack's resources put out."),
    "drift": ("stacks:drift", "Show what was changed behind awsrun's back."),
    "teardown": ("teardown:teardown", "Delete a stack, or all of them, and prove that nothing is left."),
    "invoke": ("invoke:invoke", "Call a function of a stack, once or many times at once."),
    "ssh": ("ssh:ssh", "Log in to a server of a stack, run a command there, forward ports."),
    "jupyter": ("jupyter:jupyter", "Start Jupyter on a server of a stack, and open it here."),
    "schema": ("schema:schema", "Print the JSON schema of specs, for editors."),
    "policy": ("policy:policy", "Print the least rights that somebody needs for a spec, as an IAM policy."),
    "doctor": ("doctor:doctor", "Look for what would go wrong: machine, credentials, quotas, permissions."),
    "submit": ("submit:submit", "Run a Python file over a grid, a random search or a file of inputs."),
    "runs": ("runs:runs", "List runs."),
    "show": ("runs:show", "Show how a run is getting on."),
    "results": ("results:results", "Print a run's trials, best first."),
    "plot": ("results:plot", "Draw a run: heat map, history, importance, curves."),
    "report": ("report:report", "Write a run as one HTML page."),
    "compare": ("compare:compare", "Show what differs between runs."),
    "logs": ("logs:logs", "Print what trials wrote."),
    "fetch": ("fetch:fetch", "Download what a trial left: files, checkpoints."),
    "cancel": ("control:cancel", "Stop a run, or one trial."),
    "pause": ("control:pause", "Stop a run for a while: checkpoints, no workers, no bill."),
    "resume": ("control:resume", "Let a run go on that was paused, cancelled or lost its workers."),
    "retry": ("control:retry", "Run failed trials again, or chosen ones."),
    "local": ("local:local", "Start, stop or reset the embedded cloud."),
}

ALIASES = {"continue": "resume"}
"""Other words for commands, which `awsrun --help` does not list."""

ELSEWHERE = {
    **dict.fromkeys(("stop", "kill", "abort"), "cancel"),
    **dict.fromkeys(("ls", "list", "ps", "queue", "jobs"), "runs"),
    **dict.fromkeys(("run", "launch", "tune"), "submit"),
    **dict.fromkeys(("up", "deploy", "create"), "apply"),
    **dict.fromkeys(("down", "destroy", "delete", "rm"), "teardown"),
    **dict.fromkeys(("diff", "preview"), "plan"),
    **dict.fromkeys(("watch", "info", "describe", "get"), "show"),
    **dict.fromkeys(("cost", "costs", "best", "trials"), "results"),
    **dict.fromkeys(("download", "artifacts"), "fetch"),
    **dict.fromkeys(("tail", "log"), "logs"),
    **dict.fromkeys(("graph", "draw"), "plot"),
}
"""What other tools call it -> the command that does it here, for who types that."""


class LazyGroup(click.Group):
    """Knows its commands by name alone, so that ``awsrun --help`` costs little more than importing click."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(f"awsrun.cli.{module}"), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        args = [ALIASES.get(args[0], args[0]), *args[1:]] if args else args
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = [ELSEWHERE[args[0]]] if args[0] in ELSEWHERE else get_close_matches(args[0], COMMANDS, n=1)
            hint = f"Did you mean 'awsrun {near[0]}'?" if near else "awsrun --help lists the commands."
            raise click.UsageError(f"no command named {args[0]!r}. {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="awsrun")
def cli() -> None:
    """From a YAML spec to AWS resources, and from a Python file to a sweep on AWS Batch.

    \b
      awsrun apply specs/batch.yaml
      awsrun submit jobs/mnist.py --grid lr=0.1,0.01 --grid momentum=0.5,0.1 --wait
      awsrun results last
      awsrun teardown --all

    A fresh machine talks to an embedded cloud on itself: nothing is billed.  `awsrun use aws` switches.
    Shell completion: eval "$(_AWSRUN_COMPLETE=bash_source awsrun)" (or zsh_source, fish_source).
    """


def main() -> None:
    """Run the command line; every error becomes one message on stderr: what happened, why, what to type next."""
    # What a command loads at its start, up to 200,000 objects, it keeps: nothing there to be collected, and looking at
    # them all takes as long as a call to AWS.  What a command leaves behind that waits for hours still is.
    gc.set_threshold(400_000, 20, 20)
    sys.setswitchinterval(0.0005)  # who waits for AWS goes on soon, although another thread reads a model meanwhile
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # no look through all that is installed for some
    try:
        _leave(cli.main(standalone_mode=False, color=_coloured()) or 0)
    except click.exceptions.Abort:
        _fail("stopped", 130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        _fail("stopped", 130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:
        _explain(error)


def _coloured() -> bool | None:
    """False where the user wants no colours (https://no-color.org); None leaves it to what is at the other end."""
    return False if os.environ.get("NO_COLOR") else None


def _leave(code: int) -> NoReturn:
    """Exit without taking apart, object by object, what the process is about to give back whole."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _interrupted(error: BaseException) -> bool:
    """Whether it came of Ctrl-C, which Python wraps where it hits while a class is being made."""
    seen, left = set[int](), [error]
    while left:
        one = left.pop()
        if isinstance(one, KeyboardInterrupt):
            return True
        if id(one) not in seen:  # an error may be among its own causes
            seen.add(id(one))
            left += [cause for cause in (one.__cause__, one.__context__) if cause is not None]
    return False


def _explain(error: Exception) -> None:
    from awsrun.aws.errors import DENIED, AwsrunError, Stopped, code_of, logged_out, login, matches, message_of
    from awsrun.worker.protocol.table import Unanswered

    if isinstance(error, Stopped):
        _fail(str(error), 128 + error.number)
    if _interrupted(error):
        _fail("stopped", 130)
    if isinstance(error, AwsrunError):
        _fail(str(error))
    if logged_out(error):
        how = f"log in again{f' ({command})' if (command := login(error)) else ''}, then run the command again"
        _fail(f"AWS does not take this login any more: {message_of(error)}\n→ {how}; what runs on AWS goes on")
    if code_of(error):
        hint = "\n→ the rights that it takes: awsrun policy SPEC" if matches(error, DENIED) else ""
        _fail(f"AWS refused {getattr(error, 'operation_name', 'a call')}: {message_of(error)} ({code_of(error)}){hint}")
    if isinstance(error, Unanswered):
        _fail(f"the runs table does not answer: {error}\n→ run the command again")
    if type(error).__module__.startswith("botocore"):
        _fail(f"AWS could not be reached: {error}")
    raise error


def _fail(text: str, code: int = 1) -> None:
    first, _, rest = text.partition("\n")
    click.secho(f"awsrun: {first}", fg="red", err=True, color=_coloured())
    if rest:
        click.echo(rest, err=True)
    sys.exit(code)
