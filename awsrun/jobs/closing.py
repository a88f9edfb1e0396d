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
from awsrun.worker.records import FINAL


def close(cloud: Cloud, stack: str) -> list[Path]:
    """Cancel what runs in ``stack`` and export its runs; the files written.

    A stack without a record, or without its runs table, was torn down up to there before: nothing to do.
    """
    from botocore.exceptions import ClientError

    try:
        record = stacks.read(cloud, stack)
    except AwsrunError:
        return []
    if not record.jobs:
        return []
    site = open_site(cloud, stack)
    try:
        for entry in site.store.runs():
            if entry.state not in FINAL:
                control.cancel(site, entry.run)
    except ClientError as error:
        if not matches(error, stacks.ABSENT):
            raise
        return []
    return export(cloud, record, data_dir() / "runs")
