"""A run as the experiment that it was, so that it can be repeated or handed on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.site import Site
from awsrun.jobs.submit import experiment_file, pack
from awsrun.jobs.submit.experiment import Experiment
from awsrun.jobs.workers import image
from awsrun.worker.protocol.runs import Run

INLINE = 100_000
"""Bytes of inputs that stand in the experiment's own file; more get a file beside it."""


def experiment_of(site: Site, run: Run, folder: Path = Path()) -> Experiment:
    """What was submitted, with paths as seen from ``folder``.

    Raises:
        AwsrunError: its inputs are no longer there.
    """
    space = run.space
    ranges = {
        name: [at["low"], at["high"], *(["log"] if at["log"] else [])]
        for name, at in (space.get("ranges") or {}).items()
    }
    drawn = run.adaptive or space["search"] == "random"
    fields: dict[str, Any] = {
        "job": _seen_from(folder, run, run.job),
        "grid": space.get("axes") or {},
        "range": ranges,
        "set": run.fixed,
        "inputs": _rows(site, run) if space["search"] == "inputs" else None,
        "search": space["search"] if run.adaptive or (drawn and not ranges) else None,
        "trials": space["total"] if drawn else None,
        "seed": run.seed,
        "requirements": _seen_from(folder, run, run.requirements) if run.requirements else None,
    }
    return Experiment(**fields, **run.asked)


def as_file(site: Site, run: Run, output: Path | None) -> str:
    """The run as the text of an experiment's file, with paths as seen from where it will stand.

    Args:
        output: the file, None for somewhere in the current folder.  Inputs that are too many to stand in it are
            written beside it.

    Raises:
        AwsrunError: the inputs are no longer there, or too many and there is no file to put them beside.
    """
    experiment = experiment_of(site, run, output.parent if output else Path())
    if isinstance(experiment.inputs, list):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in experiment.inputs)
        if len(lines) > INLINE:
            experiment = experiment.changed({"inputs": _beside(output, lines, run.run)})
    return experiment_file.text(experiment, _comments(run, output))


def _rows(site: Site, run: Run) -> list[dict[str, Any]]:
    if site.cloud is None:
        raise AwsrunError(f"the inputs of {run.run} are gone", "they went with its stack")
    key = run.space["inputs"]["key"]
    body: bytes = site.cloud.read("s3").get_object(Bucket=run.bucket, Key=key)["Body"].read()
    return [json.loads(line) for line in body.decode().split("\n") if line]


def _seen_from(folder: Path, run: Run, name: str) -> str:
    """A file of the run's project: below the root that is around the current folder, else where it was submitted from;
    by its name alone where it is in neither."""
    for root in (pack.root_of(Path.cwd()), Path(str(run.provenance.get("root") or "."))):
        if (root / name).is_file():
            return os.path.relpath(root / name, folder.resolve())
    return name


def _beside(output: Path | None, lines: str, run: str) -> str:
    if output is None:
        why = f"{len(lines) / 1e6:.1f} MB"
        raise AwsrunError(f"the inputs of {run} are too many to print", why, f"awsrun show {run} --yaml -o {run}.yaml")
    path = output.with_name(f"{output.stem}-inputs.jsonl")
    path.write_text(lines, encoding="utf-8")
    return path.name


def _comments(run: Run, output: Path | None) -> tuple[str, ...]:
    at, by, commit = run.submitted_at[:16].replace("T", " "), run.provenance.get("user"), run.provenance.get("commit")
    changed = len(run.provenance.get("dirty") or ())
    parts = [
        f"{run.run} of {at} UTC",
        f"by {by}" if by else "",
        f"from commit {commit[:12]}" if commit else "",
        f"with changes in {changed} file{'s' * (changed > 1)}" if changed else "",
    ]
    ran = image.told(run)
    in_image = [f"image: {ran}"] if ran and image.of_run(run).used else []
    return (" ".join(part for part in parts if part), *in_image, f"again: awsrun submit {output or 'FILE.yaml'}")
