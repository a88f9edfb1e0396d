"""The files that a trial left behind: those of the committed attempt, and no others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError
from awsrun.jobs.site import Site
from awsrun.worker.objects import artifact_key
from awsrun.worker.protocol.records import TrialRecord
from awsrun.worker.protocol.runs import Run


@dataclass(frozen=True)
class Artifact:
    """One file; ``name`` is its path below ``trial.dir``."""

    name: str
    size: int
    bucket: str
    key: str
    cloud: Cloud

    def download(self, folder: Path) -> Path:
        """Write it below ``folder``; its path.

        Raises:
            AwsrunError: its name points out of the folder.
        """
        path = (folder / self.name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise AwsrunError(f"{self.name} would be written outside {folder}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.read())
        return path

    def read(self) -> bytes:
        """Its contents."""
        answer = self.cloud.read("s3").get_object(Bucket=self.bucket, Key=self.key)
        return bytes(answer["Body"].read())


def of(site: Site, run: Run, trial: TrialRecord) -> list[Artifact]:
    """The files of a trial's committed attempt, by name."""
    cloud, _ = site.live()
    origin = {"run": run.run, "n": trial.n, "attempt": trial.attempt, **trial.reused}
    prefix = artifact_key(origin["run"], origin["n"], origin["attempt"])
    return [Artifact(name, size, run.bucket, prefix + name, cloud) for name, size in sorted(trial.artifacts.items())]
