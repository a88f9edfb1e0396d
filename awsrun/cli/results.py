"""``awsrun results`` and ``awsrun plot``: what came out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from awsrun.cli.output import common, connect, emit
from awsrun.cli.runs import run_argument, stack_option

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@click.command()
@run_argument
@click.option("--csv", "as_csv", is_flag=True, help="CSV on stdout, every parameter and result a column.")
@click.option("--jsonl", "as_jsonl", is_flag=True, help="The same as JSON, an object per line, by number.")
@click.option(
    "-n",
    "limit",
    type=click.IntRange(1),
    metavar="N",
    default=100,
    show_default=True,
    help="Rows of the table at most.",
)
@stack_option
@common
def results(
    run: str, as_csv: bool, as_jsonl: bool, limit: int, stack: str | None, context: str | None, as_json: bool
) -> None:
    """Print the trials of RUN, best first; those that have not started are counted.

    Where trials take blocks of inputs: the lines of the inputs, in their order, each with its result.

    \b
      awsrun results last
      awsrun results mnist-1123-1432-k3f --csv > sweep.csv
      awsrun results last --json | jq .best.params
      awsrun results qa-1123-1432-k3f --jsonl > answers.jsonl

    Works while the run goes on, and after its stack was torn down.
    """
    from awsrun.jobs.run import Run
    from awsrun.jobs.views.table import best_first, row, varied, write_csv, write_jsonl
    from awsrun.worker.protocol.space import blocked

    if as_csv + as_jsonl + as_json > 1:
        raise click.UsageError("choose one of --csv, --jsonl and --json")
    found = Run(run, stack=stack, cloud=connect(context))
    by_line = blocked(found.record.space)
    if as_json:
        emit(found.summary())
    elif as_jsonl:
        write_jsonl(sys.stdout, found.rows())
    elif as_csv:
        rows = list(found.rows()) if by_line else [*map(row, best_first(found.record, found.trials()))]
        known = [*found.record.fixed, *varied(found.record)]
        write_csv(sys.stdout, rows, ["n", *known, "state", "attempt", "seconds", "error"])
    elif by_line:
        from awsrun.cli.trials import print_lines

        print_lines(found, limit)
    else:
        from awsrun.cli.trials import print_trials

        print_trials(found, limit)


@click.command()
@run_argument
@click.argument("trial", type=int, required=False)
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="The picture (default: RUN.png).")
@click.option(
    "--kind",
    type=click.Choice(["heatmap", "line", "scatter", "bars", "history", "importance", "pareto", "curves"]),
    help="What to draw (default: what fits the search).",
)
@click.option("-x", metavar="NAME", help="Parameter of the rows, or of the axis.")
@click.option("-y", metavar="NAME", help="Parameter of the columns.")
@stack_option
@common
def plot(
    run: str,
    trial: int | None,
    output: str | None,
    kind: str | None,
    x: str | None,
    y: str | None,
    stack: str | None,
    context: str | None,
    as_json: bool,
) -> None:
    """Draw RUN: a heat map for two grid parameters, a line for one, a scatter for a random search.

    \b
      awsrun plot last -o heatmap.png
      awsrun plot last 3 -o curves.png        one trial's losses and accuracies by epoch
      awsrun plot last -x lr -y momentum      with more than two parameters: the best of the rest in each cell
      awsrun plot last --kind history         the best so far, over the trials and over time
      awsrun plot last --kind importance      which parameters made the difference (Optuna's fANOVA)
      awsrun plot last --kind pareto          two metrics at once: which trials are beaten by none
      awsrun plot last --kind curves          the metric by epoch, of the ten best trials together

    PNG, SVG or PDF, by the file's suffix.
    """
    from awsrun.jobs.run import Run

    if kind not in (None, "curves") and trial is not None:
        raise click.UsageError(f"--kind {kind} is of a whole run; of one trial there are curves")
    found = Run(run, stack=stack, cloud=connect(context))
    path = output or "-".join([found.id, *([str(trial)] if trial is not None else [kind] if kind else [])]) + ".png"
    save(lambda: found.plot(x, y, trial=trial, kind=kind), path)
    if as_json:
        emit({"run": found.id, "trial": trial, "file": path})
    else:
        click.echo(path)


def save(draw: Callable[[], Figure], path: str) -> None:
    """Write a picture.

    Raises:
        AwsrunError: what draws it is not installed, or it cannot be written.
    """
    from awsrun.aws.errors import AwsrunError
    from awsrun.jobs.submit.pack import MADE_HERE

    suffix = Path(path).suffix.lower()
    made = {".png": {"Software": MADE_HERE}, ".svg": {"Creator": MADE_HERE}, ".pdf": {"Creator": MADE_HERE}}
    try:
        draw().savefig(path, metadata=made.get(suffix))
    except ModuleNotFoundError as error:
        raise AwsrunError(f"drawing needs {error.name}", hint="pip install 'awsrun-jobs[jobs]'") from error
    except FileNotFoundError as error:
        raise AwsrunError(f"cannot write {path}", f"there is no folder {Path(path).parent}") from error
    except (OSError, ValueError) as error:
        raise AwsrunError(f"cannot write {path}", str(error), "-o picture.png, .svg or .pdf") from error
