"""Before a stack is torn down: its live runs are cancelled, and the records of all its runs kept on this machine."""

from __future__ import annotations

from pathlib import Path

from awsrun.aws import stacks
from awsrun.aws.clients import Cloud
from awsrun.aws.errors import AwsrunError, matches
from awsrun.aws.paths import data_dir
from awsrun.jobs import control
from awsrun.jobs.export import export
from awsrun.jobs.site import open_site
from awsrun.worker.protocol.records import FINAL


def live(cloud: Cloud, stack: str) -> list[str]:
    """The runs of ``stack`` that are not over; none where it has no record of jobs, or no runs table any more."""
    from botocore.exceptions import ClientError

    try:
        return [entry.run for entry in open_site(cloud, stack).store.runs() if entry.state not in FINAL]
    except AwsrunError:
        return []
    except ClientError as error:
        if not matches(error, stacks.ABSENT):
            raise
        return []


def close(cloud: Cloud, stack: str) -> list[Path]:
    """Cancel what runs in ``stack`` and export its runs; the files written.

    A stack without a record, or without its runs table, was torn down up to there before: nothing to do.
    """
    record = stacks.find(cloud, stack)
    if record is None or not record.jobs:
        return []
    for run in live(cloud, stack):
        control.cancel(open_site(cloud, stack), run)
    return export(cloud, record, data_dir() / "runs")
