"""The checkpoints that a trial left: its best state by the run's metric, and its last."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError, matches
from awsrun.jobs.site import Site
from awsrun.worker.job.states import load_states
from awsrun.worker.objects import checkpoint_key
from awsrun.worker.protocol.records import TrialRecord
from awsrun.worker.protocol.runs import Run

KINDS = ("best", "last")
_ABSENT = ("404", "NoSuchKey", "NotFound")


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint.

    Attributes:
        kind: ``best`` or ``last``.
        step: how many reports the trial had made.
        value: the run's metric then, None where it is not known.
        size: bytes, 0 where it is not known.
    """

    kind: str
    n: int
    step: int
    value: float | None
    size: int
    bucket: str
    key: str
    cloud: Cloud

    @property
    def uri(self) -> str:
        """Where it lies: ``s3://BUCKET/KEY``."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def file(self) -> str:
        """What it is called beside a trial's files, which may hold a ``best.ckpt`` of their own."""
        return f"awsrun-{self.kind}.ckpt"

    def download(self, path: str | Path) -> Path:
        """Write it to a file, which is there whole or not at all; its path.

        Raises:
            AwsrunError: it is no longer there.
        """
        from botocore.exceptions import ClientError

        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.part")
        try:
            answer = self.cloud.read("s3").get_object(Bucket=self.bucket, Key=self.key)
            with fresh.open("wb") as file:
                for piece in answer["Body"].iter_chunks(1 << 20):
                    file.write(piece)
        except ClientError as error:
            fresh.unlink(missing_ok=True)
            if matches(error, _ABSENT):
                raise AwsrunError(
                    f"the {self.kind} checkpoint of trial {self.n} is no longer there", self.uri
                ) from error
            raise
        os.replace(fresh, path)
        return path

    def load(self) -> dict[str, Any]:
        """The states in it, by the names that ``trial.keep`` was given; see `awsrun.load_states`."""
        with tempfile.TemporaryDirectory(prefix="awsrun-") as folder:
            return load_states(self.download(Path(folder) / "states"))


def of(site: Site, run: Run, trial: TrialRecord, kind: str) -> Checkpoint:
    """A trial's checkpoint.

    Raises:
        AwsrunError: the trial left none; the message says why.
    """
    cloud, _ = site.live()
    found = listed(trial)
    if kind not in found:
        hint = f"awsrun fetch {run.run} {trial.n} --only {next(iter(found))}" if found else ""
        raise AwsrunError(f"trial {trial.n} of {run.run} has no {kind} checkpoint", _why(run, trial, kind), hint)
    about = found[kind]
    key = checkpoint_key(trial.reused.get("run", run.run), trial.n, int(about["attempt"]), str(about.get("kind", kind)))
    value = about.get("value")
    return Checkpoint(
        kind, trial.n, int(about["step"]), value, int(about.get("bytes", 0)), run.bucket, key, cloud
    )  # fmt: skip


def listed(trial: TrialRecord) -> dict[str, dict[str, Any]]:
    """Kind -> what is known of it, of the checkpoints that are there.

    The last state is not stored twice where it is the best one; then both are found there.
    """
    if trial.state == "stopped":
        return {}
    found = {kind: dict(trial.checkpoints[kind]) for kind in KINDS if kind in trial.checkpoints}
    best = found.get("best")
    if best and best["step"] >= found.get("last", {"step": 0})["step"]:
        found["last"] = {**best, "kind": "best"}
    return found


def _why(run: Run, trial: TrialRecord, kind: str) -> str:
    if trial.state == "stopped":
        return "it was stopped at a rung, and what it kept was deleted then"
    if not trial.settled:
        return f"it is not over: {trial.state}"
    if kind not in run.limits.kinds and trial.state == "done":
        return f"the run was submitted with --checkpoints {run.limits.kept}"
    if trial.checkpoints and not run.metric:
        return "the job names no metric to tell which state is the best"
    return "it kept nothing (trial.keep, trial.save), or did not report its metric"
