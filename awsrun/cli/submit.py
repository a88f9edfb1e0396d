"""``awsrun submit``: run a Python file once per set of parameters."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from awsrun.cli.complete import stack_names
from awsrun.cli.output import common, connect, emit, say

if TYPE_CHECKING:
    from awsrun.aws.context import Context
    from awsrun.jobs.submit.estimate import Estimate
    from awsrun.jobs.submit.request import Request
    from awsrun.jobs.submit.reuse import Earlier


@click.command()
@click.argument("job", type=click.Path())
@click.option("--grid", multiple=True, metavar="NAME=V1,V2", help="Values to combine; the first one turns slowest.")
@click.option("--range", multiple=True, metavar="NAME=LO..HI[:log]", help="Draw from a range; needs --trials.")
@click.option("--set", multiple=True, metavar="NAME=V", help="The same value for every trial.")
@click.option("--inputs", type=click.Path(), metavar="FILE", help="A JSON, JSONL or CSV file: one trial per line.")
@click.option(
    "--block", type=int, metavar="N", help="Lines that a trial takes at once, where the job can (default: 32 at most)."
)
@click.option(
    "--search",
    type=click.Choice(["grid", "random", "bayes", "gp"]),
    help="Random if there is a --range, else grid; bayes (TPE) and gp (a Gaussian process) learn from the trials so "
    "far and need optuna in the image, gp scipy and torch, too.",
)
@click.option("--trials", type=int, metavar="N", help="How many in a search that is not a grid.")
@click.option("--seed", type=int, metavar="N", help="Of the draws and of each trial (default: 0).")
@click.option(
    "--workers",
    "--concurrency",
    "workers",
    type=int,
    metavar="N",
    help="At most so many, each with a trial at a time (default: as many as trials and vCPUs allow; in a search "
    "that learns, one for each 5 trials).",
)
@click.option("--vcpus", type=float, metavar="N", help="vCPUs of each worker (default: as the stack's definition).")
@click.option("--memory", metavar="SIZE", help="Memory of each worker: 8192 (MiB) or 8GB (default: as the definition).")
@click.option("--gpus", type=int, metavar="N", help="GPUs of each worker (default: as the definition).")
@click.option(
    "--metric",
    multiple=True,
    metavar="NAME[:min]",
    help="What tells good trials from bad ones, instead of what the job says; several: search for a Pareto front.",
)
@click.option(
    "--prune/--no-prune",
    default=None,
    help="Stop trials early that do worse than others by what they report; the best third goes on each time.",
)
@click.option("--prune-eta", type=int, metavar="N", help="Prune so that the best one in N goes on (default: 3).")
@click.option("--prune-min", type=int, metavar="N", help="Prune after N reports at the soonest (default: 1).")
@click.option("--retries", type=int, metavar="N", help="How often a trial that raised is run again (default: 0).")
@click.option("--timeout", metavar="TIME", help="Per attempt of a trial: 90s, 30m, 2h (default: none).")
@click.option(
    "--checkpoints",
    type=click.Choice(["both", "best", "last", "none"]),
    help="Which of what a trial keeps (trial.keep) stays once it is done (default: both; see awsrun fetch).",
)
@click.option(
    "--reuse/--no-reuse",
    default=None,
    help="Take what earlier runs of the same code, image and seed have done with the same parameters.",
)
@click.option("--keep-going/--no-keep-going", default=None, help="Do not end the run when all trials fail alike.")
@click.option("--until", multiple=True, metavar="METRIC=V", help="Start no further trial once one is so good.")
@click.option("--max-time", metavar="TIME", help="Start no further trial after 90s, 30m, 2h.")
@click.option("--max-cost", type=float, metavar="USD", help="Start no further trial at so many dollars.")
@click.option(
    "--requirements", type=click.Path(), metavar="FILE", help="A requirements file, installed once per worker."
)
@click.option(
    "--stack", metavar="STACK", shell_complete=stack_names, help="Needed only where several stacks can run jobs."
)
@click.option("--wait", is_flag=True, help="Follow the run until it is over.")
@click.option("--yes", is_flag=True, help="Submit also what will cost more than `awsrun use --ask-over` allows.")
@click.option("--dry-run", is_flag=True, help="Show what would be packed and run, and do nothing.")
@common
def submit(
    job: str,
    stack: str | None,
    wait: bool,
    yes: bool,
    dry_run: bool,
    context: str | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Run the Python file JOB once per set of parameters, on the workers of a stack.  JOB may also be a YAML file that
    says all that; options given here override it.

    \b
      awsrun submit jobs/mnist.py --grid lr=0.1,0.01,0.001 --grid momentum=0.5,0.1 --wait
      awsrun submit jobs/mnist.py --range lr=1e-4..1e-1:log --trials 20 --seed 7
      awsrun submit jobs/mnist.py --range lr=1e-4..1e-1:log --grid batch_size=32,64 --trials 30 --search bayes
      awsrun submit jobs/mnist.py --range lr=1e-4..1e-1:log --trials 50 --set epochs=27 --prune
      awsrun submit job.py --range width=8..512:log --trials 40 --metric accuracy:max --metric milliseconds:min
      awsrun submit jobs/qa.py --inputs questions.jsonl
      awsrun submit jobs/mnist.py --set lr=0.1 --dry-run
      awsrun submit jobs/mnist.yaml --set epochs=3
      awsrun submit jobs/mnist.py --range lr=1e-4..1e-1:log --trials 40 --seed 7 --reuse

    The parameters and their types are those of the job's function; what does not fit is refused before anything is
    called.  The run goes on by itself: this machine may be switched off.  Prints the run's id.

    Before a run that will cost more than $10 (`awsrun use aws --ask-over USD`) it asks.  What it will cost is reckoned
    from the trials of an earlier run of the same job; where there is none, an hour of the workers counts.

    Exit code with --wait: 0 every trial is done, 1 some failed, 130 Ctrl-C: the run goes on.
    """
    from awsrun.aws.errors import AwsrunError, Stopped
    from awsrun.cli.follow import follow, missing
    from awsrun.jobs.reading.status import stops
    from awsrun.jobs.run import Run
    from awsrun.jobs.site import open_site
    from awsrun.jobs.submit import estimate, pruning, reuse, spaces, submission
    from awsrun.jobs.submit.experiment_file import build
    from awsrun.jobs.submit.request import prepare
    from awsrun.jobs.workers import sizes

    experiment = build(job, _given({**options, "stack": stack}))
    request = prepare(experiment)
    cloud = connect(context)
    site = sizes.resized(open_site(cloud, experiment.stack), request.size)
    workers = submission.fitting(request, site.jobs or {})
    cost = estimate.estimate(site, request, workers)
    say(
        f"{spaces.describe(request.space)} of {experiment.job}, {workers:,} worker{'s' * (workers > 1)}, {_price(cost)}"
    )
    for line in _told(cost, request.total):
        say(line)
    if request.job.objectives:
        say(f"after {' and '.join(f'{name} ({mode})' for name, mode in request.job.objectives.items())}")
    for line in request.job.doubts():
        say(click.style(line, fg="yellow"))
    for line in spaces.learning(request.space):
        say(line)
    if request.limits.eta:
        for line in pruning.told(request.job, request.limits.eta, request.limits.least):
            say(line)
    if request.reuse:
        earlier = reuse.look(site, request)
        request = replace(request, earlier=earlier.runs, image=earlier.image)
        say(_reused(earlier))
    if ends := stops(request.limits, request.job.metric or ""):
        say(f"no further trial starts once {ends}")
    if request.archive.warning:
        say(click.style(request.archive.warning, fg="yellow"))
    if dry_run:
        _show(request, workers, as_json)
        return 0
    if not agreed_to(cost, cloud.context, yes):
        raise AwsrunError("nothing was submitted", "it was not confirmed")
    try:
        run = submission.submit(replace(request, command=shlex.join(["awsrun", *sys.argv[1:]])), site)
    except KeyboardInterrupt:
        hint = "if it is in awsrun runs all the same: awsrun resume RUN, or awsrun cancel RUN"
        raise Stopped("stopped before the run was there", "no worker was asked for", hint) from None
    if as_json:
        emit({"run": run})
    else:
        click.echo(run)
    found = Run(run, stack=site.stack, cloud=cloud)
    missing(found)
    if wait:
        return follow(found)
    say(f"it goes on by itself; to follow it: awsrun show {run} --watch")
    return 0


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, as an experiment has them."""
    from awsrun.jobs.submit import spaces

    given = {name: value for name, value in options.items() if value is not None and value != ()}
    for name in ("grid", "range", "set", "until"):
        if name in given:
            given[name] = spaces.pairs(given[name], f"--{name}")
    if "metric" in given:
        given["metric"] = list(given["metric"])
    eta, least = given.pop("prune_eta", None), given.pop("prune_min", None)
    if (eta is not None or least is not None) and given.get("prune", True):
        given["prune"] = {name: number for name, number in (("eta", eta), ("min", least)) if number is not None}
    if "grid" in given:
        given["grid"] = {name: spaces.listed(text) for name, text in given["grid"].items()}
    return given


def _reused(earlier: Earlier) -> str:
    """What --reuse will do."""
    if not earlier.runs:
        return click.style(f"nothing can be reused: {earlier.why}", fg="yellow")
    return f"what {', '.join(earlier.runs)} did with the same parameters and seed is taken from there"


def _price(cost: Estimate) -> str:
    """``free``, or about what the workers cost while they run."""
    from awsrun.prices.price import dollars

    if not cost.billed:
        return "free"
    spot = " or less, as spot" if cost.spot else ""
    return "price not known" if cost.hourly is None else f"about {dollars(cost.hourly)} per hour{spot}"


def _told(cost: Estimate, trials: int) -> Iterator[str]:
    """What more can be said of the cost."""
    from awsrun.cli.follow import lasting
    from awsrun.prices.price import dollars

    if not cost.billed and cost.hourly:
        yield f"on AWS these workers cost about {dollars(cost.hourly)} per hour"
    if cost.likely is not None and cost.seconds is not None:
        each = "the trial" if trials == 1 else f"{trials:,} trials"
        yield f"{each} of {lasting(cost.seconds)}, as in {cost.basis}: about {dollars(cost.likely)} in all"
    if cost.most is not None:
        yield f"at most about {dollars(cost.most)}, by the run's own limits"


def agreed_to(cost: Estimate, context: Context, yes: bool) -> bool:
    """Whether the run may cost that much: a person is asked from a limit on."""
    from awsrun.aws.context import ASK_OVER
    from awsrun.cli.ask import agreed
    from awsrun.prices.price import dollars

    limit = ASK_OVER if context.ask_over is None else context.ask_over
    weighed = cost.weighed
    if weighed is None or weighed <= limit:
        return True
    why = f"about {dollars(weighed)}" + (" for each hour" if cost.likely is None and weighed == cost.hourly else "")
    return agreed(f"This may cost {why}. Submit it?", yes, f"{why} is more than {dollars(limit)}")


def _show(request: Request, workers: int, as_json: bool) -> None:
    archive = request.archive
    sizes = {name: path.stat().st_size for name, path in archive.files.items()}
    if as_json:
        emit({"run": None, "trials": request.total, "workers": workers, "files": sizes})
        return
    click.echo(f"would pack {len(sizes)} files, {archive.size / 1e6:.2f} MB, from {archive.root}:")
    for name, size in sizes.items():
        if name.startswith("project/"):
            click.echo(f"  {name.removeprefix('project/')}  {size:,} bytes")
    own = sum(name.startswith("awsrun/") for name in sizes)
    click.echo(f"and awsrun's own worker ({own} files); nothing was uploaded or started")
