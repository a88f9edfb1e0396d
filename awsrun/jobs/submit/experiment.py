"""What a user asks for, as one model: the command line, Python and YAML files all build it.

Nothing here looks at the job file: see `awsrun.jobs.submit.request.prepare`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.submit.fields import (
    File,
    Inputs,
    Memory,
    Metric,
    Number,
    Pruning,
    Range,
    Rows,
    Seconds,
    Value,
    Values,
    Vcpus,
)
from awsrun.jobs.submit.pruning import Prune
from awsrun.jobs.workers.batch import MOST_WORKERS
from awsrun.spec.document import Document
from awsrun.spec.mistakes import refuse
from awsrun.spec.sentences import complain

if TYPE_CHECKING:
    from pandas import DataFrame

DOCUMENT = "document"  # in a validation's context: the file that the experiment stands in
LARGEST_BLOCK = 1000  # what comes of a block's lines is one item of the table, of 400 KB at most
_SPACE = ("grid", "range", "set")
_ELSEWHERE = ("job", *_SPACE, "inputs", "search", "trials", "seed", "requirements")  # of a run's record


class Experiment(BaseModel):
    """A job file and the sets of parameters to run it with.

    Raises:
        AwsrunError: a field is unknown or not what it should be; every mistake is named.

    Example:
        >>> experiment = awsrun.Experiment(job="jobs/mnist.py", grid={"lr": [0.1, 0.01]}, timeout=1800)
        >>> awsrun.submit(experiment).wait().done
        2
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, title="awsrun experiment")

    job: File = Field(description="The Python file; its entry function's signature says the parameters.")
    stack: str | None = Field(default=None, description="Needed only where several stacks can run jobs.")
    grid: Mapping[str, Values] = Field(
        default={}, description="Parameter: its values. Every combination is a trial; the first turns slowest."
    )
    range: Mapping[str, Range] = Field(
        default={}, description="Parameter: [low, high] or [low, high, log], drawn from; needs trials."
    )
    set: Mapping[str, Value] = Field(default={}, description="Parameter: its value, the same for every trial.")
    inputs: Rows = Field(
        default=None,
        description="A JSON, JSONL or CSV file, or a list of rows: each is one trial (times the grid).",
    )
    block: int | None = Field(
        default=None,
        ge=1,
        le=LARGEST_BLOCK,
        description="How many lines of the inputs a trial takes at once, where the job can "
        "(awsrun.main(fn, batch=...)); by their number and that of the workers, 32 at most, unless given.",
    )
    search: Literal["grid", "random", "bayes", "gp"] | None = Field(
        default=None,
        description="Random if there is a range, else grid; bayes (TPE) and gp (a Gaussian process) learn from the "
        "trials so far and need optuna in the image, gp scipy and torch, too.",
    )
    trials: int | None = Field(default=None, description="How many in a search that is not a grid.")
    seed: int = Field(default=0, description="Of the draws and of each trial's own randomness.")
    metric: Metric = Field(
        default={},
        description="Number of the trials' results: max or min, which of its values are better; instead of what the "
        "job says. Several make a search for a Pareto front.",
    )
    prune: Pruning = Field(
        default=None,
        description="Stop trials early that do worse than others by what they report: true, or {eta: 3, min: 1}: after "
        "1, 3, 9, ... reports the best third goes on.",
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        le=MOST_WORKERS,
        description="At most so many; as many as trials and vCPUs allow unless given (in a search that learns, "
        "one for each 5 trials).",
    )
    vcpus: Vcpus | None = Field(
        default=None, gt=0, description="vCPUs of each worker, instead of what the stack's definition says."
    )
    memory: Memory | None = Field(
        default=None,
        gt=0,
        description="Memory of each worker, instead of what the stack's definition says: MiB, or 8GB.",
    )
    gpus: int | None = Field(
        default=None, ge=1, description="GPUs of each worker, instead of what the stack's definition says."
    )
    retries: int = Field(default=0, ge=0, description="How often a trial that raised is run again.")
    timeout: Seconds = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="Per attempt of a trial: 90s, 30m, 2h; 0 means none."
    )
    checkpoints: Literal["both", "best", "last", "none"] = Field(
        default="both",
        description="Which checkpoints of a trial stay once it is done: its best state by the job's metric, its last.",
    )
    reuse: bool = Field(
        default=False,
        description="What an earlier run of the same code, image and seed has done with the same parameters is taken "
        "from there, and not run again.",
    )
    keep_going: bool = Field(default=False, description="Do not end the run when all trials fail alike.")
    requirements: File | None = Field(
        default=None, description="A requirements file below the project root, installed once per worker."
    )
    until: Mapping[str, Number] = Field(
        default={}, description="The job's metric: a value. No further trial starts once one is so good."
    )
    max_time: Seconds = Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="No further trial starts after that time: 90s, 30m, 2h; 0 means no limit.",
    )
    max_cost: Number = Field(
        default=0.0,
        ge=0,
        description="US dollars, by list price of the workers, at which no further trial starts; 0 means no limit.",
    )

    @model_validator(mode="wrap")
    @classmethod
    def _told(cls, data: Any, handler: ModelWrapValidatorHandler[Experiment], info: ValidationInfo) -> Experiment:
        """What is wrong in plain sentences, at their lines where there is a file."""
        try:
            return handler(data)
        except ValidationError as error:
            document = (info.context or {}).get(DOCUMENT) or Document("the experiment", data)
            complain(document, (), cls, data, error)
            whole = refuse(document.source, document.mistakes)
            if document.lines:
                raise whole from error
            found = [f"{one.where}: {one.text}" for one in document.mistakes]
            raise (AwsrunError(found[0]) if len(found) == 1 else AwsrunError(whole.what, "\n".join(found))) from error

    @classmethod
    def load(cls, path: str | Path) -> Experiment:
        """The experiment in a YAML file.

        Raises:
            AwsrunError: it cannot be read, or has mistakes: all are named, each with its line.
        """
        from awsrun.jobs.submit.experiment_file import load

        return load(path)

    def to_yaml(self) -> str:
        """The experiment as a YAML file, without what is the default.

        Example:
            >>> print(awsrun.Experiment(job="jobs/mnist.py", grid={"lr": [0.1, 0.01]}).to_yaml(), end="")
            job: jobs/mnist.py
            grid:
              lr: [0.1, 0.01]
        """
        from awsrun.jobs.submit.experiment_file import text

        return text(self)

    def asked(self) -> dict[str, Any]:
        """What was asked for beside the job, its space and the seed, as plain data; nothing that is the default."""
        return self.model_dump(mode="json", exclude=set(_ELSEWHERE), exclude_defaults=True)

    def changed(self, options: Mapping[str, Any]) -> Experiment:
        """The same with other options.  A parameter of ``grid``, ``range`` or ``set`` is then only what they say of it,
        the others stay; any other option is replaced."""
        new: dict[str, Mapping[str, Any]] = {part: options.get(part) or {} for part in _SPACE}
        named = {name for part in _SPACE for name in new[part]}
        space = {}
        for part in _SPACE:
            kept = {name: one for name, one in getattr(self, part).items() if name in new[part] or name not in named}
            space[part] = {**kept, **new[part]}  # a grid's parameter keeps its place
        fields = {name: getattr(self, name) for name in self.model_fields_set}
        return Experiment(**{**fields, **options, **space})


class Options(TypedDict, total=False):
    """The fields of `Experiment` but its job, as keyword arguments."""

    stack: str | None
    grid: Mapping[str, Sequence[Any]]
    range: Mapping[str, Sequence[Any] | str]
    set: Mapping[str, Any]
    inputs: Inputs | DataFrame | None
    block: int | None
    search: Literal["grid", "random", "bayes", "gp"] | None
    trials: int | None
    seed: int
    metric: str | Sequence[str] | Mapping[str, Literal["max", "min"]]
    prune: bool | Mapping[str, int] | Prune
    workers: int | None
    vcpus: float | None
    memory: int | str | None
    gpus: int | None
    retries: int
    timeout: float | str
    checkpoints: Literal["both", "best", "last", "none"]
    reuse: bool
    keep_going: bool
    requirements: str | Path | None
    until: Mapping[str, float]
    max_time: float | str
    max_cost: float
