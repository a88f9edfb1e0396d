"""The results of a run whose trials take blocks of inputs, joined to the inputs again: one row for each line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from awsrun.jobs.site import Site
from awsrun.jobs.views.table import error_line
from awsrun.worker.protocol.records import TrialRecord
from awsrun.worker.protocol.runs import Run
from awsrun.worker.protocol.space import LINES, block, blocked


@dataclass(frozen=True)
class Line:
    """One line of the inputs, and what became of it.

    Attributes:
        line: its number, from 0.
        params: the parameters of its trial.
        inputs: what the line says; empty where only the run's export is left.
        result: what the job returned for it, None as long as there is nothing.
        state: its trial's; ``trial`` is the number of that.
        error: why the trial failed, in a line.
    """

    line: int
    params: Mapping[str, Any]
    inputs: Mapping[str, Any]
    result: Any
    state: str
    trial: int
    error: str = ""

    def row(self) -> dict[str, Any]:
        """Flat; a result named like a parameter or an input gets a prefix."""
        result = self.result if isinstance(self.result, dict) else {"result": self.result}
        taken = {"line", "trial", "state", "error", *self.params, *self.inputs}
        results = {f"result_{name}" if name in taken else name: value for name, value in result.items()}
        own = {"trial": self.trial, "state": self.state, "error": self.error}
        return {"line": self.line, **self.params, **self.inputs, **results, **own}


def joined(site: Site, run: Run, trials: Iterable[TrialRecord]) -> Iterator[Line]:
    """The lines of the trials, which come by number.  The inputs are read once, as they are needed."""
    if not blocked(run.space):
        return
    texts = _texts(site, run)
    first, inputs = -1, list[Mapping[str, Any]]()
    at = 0
    for trial in trials:
        start, end = block(run.space, trial.n)
        if start != first and texts is not None:
            inputs = [json.loads(text) for text in islice(texts, start - at, end - at)]
            first, at = start, end
        params = {name: value for name, value in trial.params.items() if name != LINES}
        results = trial.result if isinstance(trial.result, list) else []
        for place in range(end - start):
            yield Line(
                start + place,
                params,
                inputs[place] if texts is not None else {},
                results[place] if place < len(results) else None,
                trial.state,
                trial.n,
                error_line(trial),
            )


def _texts(site: Site, run: Run) -> Iterator[bytes] | None:
    """The inputs, line by line; None where the bucket is gone."""
    if site.cloud is None:
        return None
    body = site.cloud.read("s3").get_object(Bucket=run.bucket, Key=run.space["inputs"]["key"])["Body"]
    lines: Iterator[bytes] = body.iter_lines(chunk_size=1 << 16)
    return lines
