"""A submit that was checked and packed: from what a user asks for to what will be sent.  Nothing is called here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.submit import inputs, pack, pruning, signature, spaces
from awsrun.jobs.submit.experiment import Experiment
from awsrun.jobs.workers import sizes
from awsrun.jobs.workers.image import Image
from awsrun.worker.protocol.runs import Limits
from awsrun.worker.protocol.samplers import SAMPLERS
from awsrun.worker.protocol.space import params as space_params

USUAL_BLOCK = 32  # lines


@dataclass(frozen=True)
class Request:
    """A checked submit: nothing has been called yet.

    Attributes:
        space: as awsrun.worker.protocol.space has it, without the S3 keys of the inputs.
        workers: the most the user wants, None for as many as fit.
        command: what the user typed, for the run's provenance; empty from Python.
        asked: what the user asked for beside job, space and seed, for the run's record.
        batch: the function that takes a block of inputs at once; "" where each line is a trial.
        size: of each worker, where it is to be another than the stack's definition says.
        reuse: take results from earlier runs; ``earlier``: from these, None as long as nobody has looked.
        image: that the workers start from, None as long as nobody has looked.
    """

    job: signature.Signature
    archive: pack.Archive
    space: Mapping[str, Any]
    seed: int = 0
    limits: Limits = field(default_factory=Limits)
    workers: int | None = None
    inputs: inputs.Inputs | None = None
    requirements: str = ""
    command: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)
    batch: str = ""
    size: sizes.Size = sizes.Size()  # noqa: RUF009  frozen
    reuse: bool = False
    earlier: Sequence[str] | None = None
    image: Image | None = None

    @property
    def total(self) -> int:
        """How many trials there will be."""
        return int(self.space["total"])

    def params(self, n: int) -> dict[str, Any]:
        """The parameters that trial ``n`` will have.

        Raises:
            IndexError: there is no such trial.
            AwsrunError: they depend on the trials before.
        """
        if sampler := SAMPLERS.get(self.space["search"]):
            raise AwsrunError(
                f"the parameters of a {sampler.called} search are not known before", "each trial learns from others"
            )
        files = {"key": self.inputs.lines, "index": self.inputs.index} if self.inputs else {}
        known = {**self.space, "inputs": {**(self.space.get("inputs") or {}), "key": "key", "index": "index"}}
        return space_params(known, self.seed, n, lambda name, first, last: files[name][first : last + 1])


def prepare(experiment: Experiment) -> Request:
    """Check and pack.

    Raises:
        AwsrunError: whatever does not fit.
    """
    known = signature.read(experiment.job).after(experiment.metric)
    read = _inputs(experiment, known)
    lines, names = (read.count, read.names) if read else (None, ())
    block = _block(known, lines, experiment.block, experiment.workers)
    space = spaces.build(
        known,
        experiment.grid,
        experiment.range,
        experiment.set,
        lines,
        names,
        experiment.search,
        experiment.trials,
        block,
    )
    extra = [Path(experiment.requirements)] if experiment.requirements else []
    if extra and not extra[0].is_file():
        raise AwsrunError(f"there is no requirements file {experiment.requirements}")
    if experiment.reuse and (block or experiment.prune):
        why = "it would not stand at the rungs" if experiment.prune else "a block is of its own run's file"
        raise AwsrunError(f"--reuse does not go with {'--prune' if experiment.prune else 'inputs in blocks'}", why)
    archive = pack.collect(Path(experiment.job), extra)
    limits = Limits(
        timeout=experiment.timeout,
        retries=experiment.retries,
        kept=experiment.checkpoints,
        keep_going=experiment.keep_going,
        until=_good_enough(known, experiment.until),
        max_seconds=experiment.max_time,
        max_cost=experiment.max_cost,
        **pruning.limits(known, space, experiment.prune),
    )
    return Request(
        job=known,
        archive=archive,
        space=space,
        seed=experiment.seed,
        limits=limits,
        workers=experiment.workers,
        size=sizes.Size(experiment.vcpus, experiment.memory, experiment.gpus),
        inputs=read,
        requirements=extra[0].resolve().relative_to(archive.root).as_posix() if extra else "",
        asked=experiment.asked(),
        batch=known.batch if block else "",
        reuse=experiment.reuse,
    )


def _inputs(experiment: Experiment, known: signature.Signature) -> inputs.Inputs | None:
    given = experiment.inputs
    if given is None:
        return None
    return inputs.load(Path(given), known) if isinstance(given, str | Path) else inputs.of_rows(given, known)


def _block(known: signature.Signature, lines: int | None, asked: int | None, workers: int | None) -> int | None:
    """How many lines a trial takes; None where each is a trial.

    Unless the user says so: few enough that each worker gets several blocks, and the last ones end at about one time.
    """
    if asked is not None and (lines is None or not known.batch):
        why = "there are no inputs" if lines is None else f"{known.path.name} takes its inputs one by one"
        raise AwsrunError("--block is for inputs that a job takes together", why, "awsrun.main(fn, batch=fn_of_many)")
    if lines is None or not known.batch:
        return None
    return asked or min(USUAL_BLOCK, -(-lines // (4 * (workers or 4))))


def _good_enough(known: signature.Signature, until: Mapping[str, float]) -> float | None:
    """The value of the job's metric at which the run may end."""
    if not until:
        return None
    (name, value), *more = until.items()
    if more or name != known.metric:
        why = f"the job's metric is {known.metric}" if known.metric else "the job names no metric"
        raise AwsrunError(f"a run cannot end by {', '.join(until)}", why, f"--until {known.metric or 'METRIC'}=0.99")
    return value
