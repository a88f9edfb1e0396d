"""A submitted run, from Python: follow it, read its trials, draw it, change its course."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from awsrun.aws.clients import Cloud, connect
from awsrun.aws.errors import AwsrunError
from awsrun.jobs import control, repeat, site
from awsrun.jobs.reading import artifacts, checkpoints, costs, logs
from awsrun.jobs.reading.checkpoints import Checkpoint
from awsrun.jobs.reading.completed import Completed
from awsrun.jobs.reading.costs import Costs
from awsrun.jobs.reading.looks import Looks
from awsrun.jobs.reading.reader import Reader, absent
from awsrun.jobs.reading.status import PATIENCE, Status, derive, trial_state
from awsrun.jobs.submit.experiment import Experiment
from awsrun.jobs.views import lines
from awsrun.jobs.views.lines import Line
from awsrun.jobs.views.table import best_first
from awsrun.jobs.workers import engines
from awsrun.jobs.workers.stages import Stages
from awsrun.worker.protocol import records
from awsrun.worker.protocol.runs import FINAL
from awsrun.worker.protocol.runs import Run as Record
from awsrun.worker.protocol.space import blocked
from awsrun.worker.protocol.table import Unanswered

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from awsrun.jobs.views.comparison import Comparison, Side

_POLL = 2.0  # seconds between two looks
_TOGETHER = 10  # curves in one picture
_TOGETHER_PRUNED = 60  # each costs a query; those that were stopped are thin


class Run:
    """A run, found by its id.

    Args:
        run: the id, a prefix that fits only one, or ``last``.
        stack: where to look; every stack unless given.
        context: ``local`` or ``aws``; the current one unless given.
        cloud: instead of a context.

    Raises:
        AwsrunError: no such run.

    Example:
        >>> run = awsrun.submit("jobs/mnist.py", grid={"lr": [0.1, 0.01]})
        >>> run.wait().state
        'done'
        >>> run.best.params
        {'lr': 0.1}
    """

    def __init__(
        self, run: str = "last", *, stack: str | None = None, context: str | None = None, cloud: Cloud | None = None
    ) -> None:
        self._open(*site.locate(cloud or connect(context), run, stack))

    def _open(self, where: site.Site, run: str) -> None:
        self._site, self.id = where, run
        self._reader = Reader(where.store, run)

    def __repr__(self) -> str:
        return f"Run({self.id!r})"

    def _repr_html_(self) -> str | None:
        """In a notebook: state, a bar, the best trials; None, and so the plain text, if the cloud does not answer."""
        from botocore.exceptions import BotoCoreError, ClientError

        from awsrun.jobs.views import notebook

        try:
            return notebook.run(self.record, self.status(diagnose=False), self.trials())
        except (AwsrunError, BotoCoreError, ClientError, Unanswered):
            return None

    @property
    def stack(self) -> str:
        return self._site.stack

    @property
    def record(self) -> Record:
        """What was submitted: job, space, limits, provenance; and the table's own state."""
        return self._reader.run()

    def experiment(self) -> Experiment:
        """What was submitted; submit it again to repeat the run.

        Raises:
            AwsrunError: its inputs went with its stack.
        """
        return repeat.experiment_of(self._site, self.record)

    def to_yaml(self, output: str | Path | None = None) -> str:
        """As an experiment's file, with paths as seen from the file ``output`` (None: from here)."""
        return repeat.as_file(self._site, self.record, Path(output) if output else None)

    @property
    def calls(self) -> int:
        """Reads of tables that were made so far, each page of a query as one."""
        cloud = self._site.cloud
        if cloud is None:
            return self._reader.calls
        return sum(number for name, number in cloud.calls.items() if name.startswith("dynamodb."))

    def status(self, diagnose: bool = True) -> Status:
        """How it is getting on, now.

        Args:
            diagnose: ask AWS why nothing runs, once the run has waited for a minute.
        """
        run = self._reader.run()
        stages = Stages()
        cloud, now = self._site.cloud, time.time()
        submitted = datetime.fromisoformat(run.submitted_at).timestamp()
        if cloud is not None and run.state not in FINAL:
            engine, working = engines.of_run(self._site, run), control.current(run)
            stages = engine.stages(working)
            if not stages.alive:  # the last worker may have ended the run between the two reads
                run = self._reader.run()
            elif diagnose and not stages.counts.get("running") and now - stages.since > PATIENCE:
                stages = replace(stages, reasons=tuple(dict.fromkeys([*stages.reasons, *engine.diagnose(working)])))
        found = derive(run, self._reader.tally(run), stages, now, submitted)
        return replace(found, costs=self.spent(run, found.seconds))

    def wait(
        self,
        timeout: float | None = None,
        progress: Callable[[Status], object] | None = None,
        poll: float = _POLL,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Status:
        """Wait until it is over (or stalled), and call off workers that have not begun by then; its last status.

        Args:
            timeout: seconds, None for ever.
            progress: called with each status.
            poll: seconds between two looks, at least: see `awsrun.jobs.reading.looks.Looks`.

        Raises:
            TimeoutError: it is still running; it goes on all the same.
        """
        looks = Looks(lambda: self.calls, timeout, poll, sleep)
        while True:
            status = self.status()
            if progress:
                progress(status)
            if status.over:
                return replace(status, called_off=self.dismiss() if status.state in FINAL else 0)
            if looks.late:
                raise TimeoutError(f"{self.id} is still running: {status.done} of {status.total} trials are done")
            looks.pause()

    def as_completed(
        self, timeout: float | None = None, poll: float = _POLL, sleep: Callable[[float], None] = time.sleep
    ) -> Iterator[records.TrialRecord]:
        """The trials as they finish, each once, until the run is over; those that have finished already come first.

        A trial that `retry` put back comes again when it has finished again.

        Args:
            timeout: seconds, None for ever.
            poll: seconds between two looks, at least: see `awsrun.jobs.reading.looks.Looks`.

        Raises:
            AwsrunError: it stands still: no worker is left, or it was paused.
            TimeoutError: it is still running; it goes on all the same.

        Example:
            >>> for trial in run.as_completed():
            ...     print(trial.n, trial.params, trial.state, trial.value)
        """
        looks = Looks(lambda: self.calls, timeout, poll, sleep)
        completed = Completed(self._reader)
        while True:
            run = self._reader.run()
            finished = list(completed.look(run))
            yield from finished
            if run.state in FINAL or self._site.cloud is None:
                self.dismiss()
                return
            if not finished:
                status = self.status(diagnose=False)
                if status.over and status.state not in FINAL:
                    why = f"{status.done} of {status.total} trials are done"
                    raise AwsrunError(f"{self.id} is {status.state}", why, status.hint)
                if status.over:
                    continue
            if looks.late:
                raise TimeoutError(f"{self.id} is still running")
            looks.pause()

    def results(self) -> list[records.TrialRecord]:
        """The trials that have started, best first by the job's metric; all of them in memory.

        Example:
            >>> [trial.params["lr"] for trial in run.results()][:3]
            [0.1, 0.03, 0.3]
        """
        return best_first(self.record, self.trials())

    def trials(self) -> Iterator[records.TrialRecord]:
        """The trials that have started, by number: n, params, state, attempt, result, value, seconds, error."""
        run = self._reader.run()
        for trial in self._reader.trials(run):
            yield replace(trial, state=trial_state(run, trial))

    def trial(self, n: int) -> records.TrialRecord:
        """One trial.

        Raises:
            AwsrunError: it has not started, or there is none.
        """
        found = self._site.store.trial(self.id, n)
        if found is None:
            run = self._reader.run()
            if not 0 <= n < run.total:
                raise absent(run, n)
            raise AwsrunError(f"trial {n} of {self.id} has not started", hint=f"awsrun show {self.id}")
        return found

    def reports(self, n: int) -> list[records.Report]:
        """What trial ``n`` reported, by step."""
        return self.curve(self.trial(n))

    def curve(self, trial: records.TrialRecord) -> list[records.Report]:
        """What a trial that was read already reported, by step."""
        origin = {"run": self.id, "attempt": trial.attempt, "since": trial.since, **trial.reused}
        found = self._site.store.reports(origin["run"], trial.n)
        return records.curve((report for report in found if report.attempt >= origin["since"]), origin["attempt"])

    def lines(self) -> Iterator[Line]:
        """The lines of the inputs that have started, each with its result; nothing where each line is a trial."""
        return lines.joined(self._site, self.record, self.trials())

    def rows(self) -> Iterator[dict[str, Any]]:
        """Parameters and results, flat: one row for each trial that has started, or for each line of its block."""
        from awsrun.jobs.views.table import row

        if blocked(self.record.space):
            yield from (line.row() for line in self.lines())
        else:
            yield from (row(trial) for trial in self.trials())

    def frame(self) -> DataFrame:
        """`rows` as a data frame."""
        import pandas

        return pandas.DataFrame(list(self.rows()))

    @property
    def best(self) -> records.TrialRecord | None:
        """The best trial by the job's metric, None as long as none is done."""
        found = self._reader.tally(self._reader.run()).best
        return self.trial(found.n) if found else None

    @property
    def front(self) -> list[records.TrialRecord]:
        """The trials that no other beats in every metric: the Pareto front of a run that is after several."""
        from awsrun.jobs.views import pareto

        return pareto.front(self.record, self.trials())

    @property
    def cost(self) -> float | None:
        """Dollars so far; 0 on the embedded cloud, None where prices are not known."""
        return self.spent().total

    def spent(self, record: Record | None = None, seconds: float | None = None) -> Costs:
        """The dollars so far, without what needs the trials; on the embedded cloud they are 0, and no hours are read.

        Args:
            record: the run's, if it was read just now.
            seconds: what its trials took, likewise.
        """
        run = record or self._reader.run()
        if run.provenance.get("context") == "local":
            return costs.costs(run, (), _now_ms())
        return costs.costs(run, self._reader.workers(), _now_ms(), seconds=seconds)

    def workers(self) -> list[records.Worker]:
        """Every worker that ever registered, by slot: since when, its beats, its log stream."""
        return self._reader.workers()

    def costs(self, trials: Sequence[records.TrialRecord] | None = None) -> Costs:
        """What it cost so far: in all, per trial, and per point that the best trial gained on the median one.

        Args:
            trials: the run's, if they were read just now.
        """
        run = self._reader.run()
        known = list(self._reader.trials(run)) if trials is None else trials
        return costs.costs(run, self._reader.workers(), _now_ms(), known)

    def diff(self) -> str:
        """How the code differed from its commit, as ``git diff`` has it; empty if it did not, or was not in git.

        Raises:
            AwsrunError: the stack, and its bucket with it, was torn down.
        """
        run = self._reader.run()
        key = str(run.provenance.get("diff") or "")
        if not key:
            return ""
        cloud, _ = self._site.live()
        return bytes(cloud.read("s3").get_object(Bucket=run.bucket, Key=key)["Body"].read()).decode(errors="replace")

    def plot(
        self, x: str | None = None, y: str | None = None, *, trial: int | None = None, kind: str | None = None
    ) -> Figure:
        """A picture: what fits the search, over ``x`` and ``y``, or one trial's curves.

        Args:
            kind: ``heatmap``, ``line``, ``scatter``, ``bars``, ``history``, ``importance``, ``pareto`` (then ``x``
                and ``y`` are metrics), or ``curves`` (of the metric, of the best trials together).

        Raises:
            AwsrunError: nothing to draw yet, or no such parameter.
        """
        from awsrun.jobs.views import curves, plots

        record = self.record
        if trial is not None:
            return curves.curves(record, self.trial(trial), self.reports(trial))
        if kind != "curves":
            return plots.draw(record, list(self.trials()), x, y, kind)
        best = best_first(record, self.trials())[: _TOGETHER_PRUNED if record.prunes else _TOGETHER]
        return curves.together(record, [(one, self.curve(one)) for one in best])

    def report(self, path: str | Path | None = None) -> Path:
        """Write the run as one HTML page that opens offline; where it is (``RUN.html`` unless given).

        Raises:
            AwsrunError: the page cannot be written.
        """
        from awsrun.jobs.report.data import data
        from awsrun.jobs.report.gather import gather
        from awsrun.jobs.report.page import page

        target = Path(path or f"{self.id}.html")
        text = page(data(gather(self), datetime.now(timezone.utc)))
        try:
            target.write_text(text, "utf-8")
        except FileNotFoundError as error:
            raise AwsrunError(f"cannot write {target}", f"there is no folder {target.parent}") from error
        except OSError as error:
            raise AwsrunError(f"cannot write {target}", str(error), "-o report.html") from error
        return target

    def compare(self, *others: Run) -> Comparison:
        """This run and others side by side: what differs, and who has the best value."""
        from awsrun.jobs.views.comparison import compare

        return compare([run._side() for run in (self, *others)])

    def _side(self) -> Side:
        from awsrun.jobs.views.comparison import side

        record, status = self.record, self.status(diagnose=False)
        return side(record, status, status.costs or self.spent(record), time.time())

    def code_changes(self, newer: Run) -> str:
        """How the packed code of ``newer`` differs from this run's, as a unified diff; empty if it does not.

        Raises:
            AwsrunError: a stack, and its bucket with it, was torn down.
        """
        from awsrun.jobs.views.comparison import code_changes

        if self.record.code_hash == newer.record.code_hash:
            return ""
        return code_changes(self._archive(), newer._archive(), (self.id, newer.id))

    def _archive(self) -> bytes:
        cloud, _ = self._site.live()
        record = self.record
        return bytes(cloud.read("s3").get_object(Bucket=record.bucket, Key=record.code_key)["Body"].read())

    def cancel(self, n: int | None = None) -> str:
        """Cancel the run, or trial ``n`` of it; the state that it has then."""
        return control.cancel(self._site, self.id) if n is None else control.cancel_trial(self._site, self.id, n)

    def dismiss(self) -> int:
        """Once it is over: call off the workers that have not begun, so that AWS gets no machines for them.  How many
        they were; 0 where this identity may not do that, or nobody answers, and they will come and go.

        `wait` and `as_completed` do it at their end.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return control.dismiss(self._site, self.id)
        except (AwsrunError, BotoCoreError, ClientError):
            return 0

    def pause(self) -> None:
        """Have the workers checkpoint their trials, give them back and go; nothing runs until `resume`."""
        control.pause(self._site, self.id)

    def retry(self, *trials: int, fresh: bool = False) -> tuple[int, int]:
        """Run trials again that failed, or these; (trials put back, workers started).

        Args:
            fresh: from nothing, not from their last checkpoints.
        """
        return control.retry(self._site, self.id, trials, fresh)

    def resume(self) -> int:
        """Let a run go on that is paused, or unfinished and without workers; how many were started."""
        return control.resume(self._site, self.id)

    def logs(self, n: int | None = None, follow: bool = False) -> Iterator[logs.Line]:
        """The lines of trial ``n``, or of all workers, by time."""
        return logs.lines(self._site, self.id, n, follow)

    def tail(self, n: int, most: int = 10) -> list[str]:
        """The last lines of trial ``n``, if it failed without a traceback: it, or its worker, was killed."""
        return logs.tail(self._site, self._reader.run(), self.trial(n), most)

    def artifacts(self, n: int) -> list[artifacts.Artifact]:
        """The files that trial ``n`` left in ``trial.dir``; each can be downloaded."""
        return artifacts.of(self._site, self._reader.run(), self.trial(n))

    def checkpoint(self, n: int | None = None, kind: Literal["best", "last"] = "best") -> Checkpoint:
        """What trial ``n`` kept in its best state by the metric, or in its last; of the best trial unless given.

        Raises:
            AwsrunError: there is none; the message says why.

        Example:
            >>> model.load_state_dict(run.checkpoint(kind="best").load()["model"])
        """
        return checkpoints.of(self._site, self._reader.run(), self.trial(self._choose(n)), kind)

    def fetch(
        self, n: int | None = None, folder: str | Path | None = None, only: str | None = None
    ) -> tuple[int, list[Path]]:
        """Download what a trial left, its files and checkpoints; (the trial, the files written).

        Args:
            n: the best trial unless given.
            folder: ``awsrun-out/RUN/n`` unless given, which is never packed with the code.
            only: ``files``, or ``best`` or ``last`` for that checkpoint, which must be there then.
        """
        trial = self.trial(self._choose(n))
        at = Path(folder) if folder is not None else Path("awsrun-out") / self.id / str(trial.n)
        files = artifacts.of(self._site, self._reader.run(), trial) if only in (None, "files") else []
        for file in files:
            file.download(at)
        wanted = sorted(checkpoints.listed(trial)) if only is None else [only] if only in checkpoints.KINDS else []
        record = self._reader.run()
        found = [checkpoints.of(self._site, record, trial, kind) for kind in wanted]
        return trial.n, [*(at / file.name for file in files), *(one.download(at / one.file) for one in found)]

    def _choose(self, n: int | None) -> int:
        """A trial, or the best one."""
        if n is None and (best := self.best) is None:
            raise AwsrunError(f"no trial of {self.id} is the best yet", "none is done", f"awsrun show {self.id}")
        return best.n if n is None and best else int(n or 0)

    def download(self, n: int, folder: str | Path) -> list[Path]:
        """Trial ``n``'s files in ``folder``; their paths."""
        return [artifact.download(Path(folder)) for artifact in self.artifacts(n)]

    def summary(self) -> dict[str, Any]:
        """As ``results --json`` prints it: where trials take blocks of inputs, the results are those of the lines."""
        from awsrun.jobs.views.table import finite, record

        status = self.status(diagnose=False)
        best = self.best
        found: dict[str, Any] = {
            "run": self.id,
            "state": status.state,
            "pending": status.pending,
            "trials": [record(trial) for trial in self.trials()],
            "best": record(best) if best else None,
        }
        if self.record.objectives:
            found["front"] = [trial.n for trial in self.front]
        if blocked(self.record.space):
            found["trials"] = [{**trial, "result": None} for trial in found["trials"]]
            found["lines"] = [finite(row) for row in self.rows()]
        return found


def together(runs: Sequence[Run]) -> Figure:
    """The best so far of several runs, over their trials and over time.

    Raises:
        AwsrunError: their metrics differ, or none has a trial that is done.
    """
    from awsrun.jobs.views import history

    return history.together([(run.record, list(run.trials())) for run in runs])


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
