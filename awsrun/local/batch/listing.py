"""ListJobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from awsrun.local.batch.errors import BatchError, among
from awsrun.local.batch.jobs import STATES, Job, Unit, summarise
from awsrun.local.batch.region import Region

Entry = tuple[Job, Unit | None]


def list_jobs(region: Region, body: dict[str, Any]) -> dict[str, Any]:
    """Jobs of a queue, or children of an array; RUNNING ones unless asked otherwise.

    With ``filters`` the status is ignored, as AWS documents.
    """
    among(body.get("jobStatus"), "jobStatus", STATES)
    if array := body.get("arrayJobId"):
        job = region.jobs.get(array)
        if job is None or job.size is None:
            raise BatchError(f"Error executing request, Exception : Array job {array} does not exist.")
        entries: Iterator[Entry] = ((job, unit) for unit in job.units)
    elif name := body.get("jobQueue"):
        queue = region.plane.queue(name)["jobQueueArn"]
        newest_first = sorted(
            (job for job in region.jobs.values() if job.queue == queue), key=lambda job: job.created, reverse=True
        )
        entries = ((job, None if job.size else job.units[0]) for job in newest_first)
    else:
        raise BatchError("Error executing request, Exception : jobQueue or arrayJobId is required.")
    filters = body.get("filters") or []
    if filters:
        found = [entry for entry in entries if all(_matches(entry, rule) for rule in filters)]
    else:
        status = body.get("jobStatus") or "RUNNING"
        found = [entry for entry in entries if (entry[1] or entry[0]).status == status]
    start, limit = int(body.get("nextToken") or 0), int(body.get("maxResults") or 100)
    page: dict[str, Any] = {"jobSummaryList": [summarise(*entry) for entry in found[start : start + limit]]}
    if start + limit < len(found):
        page["nextToken"] = str(start + limit)
    return page


def _matches(entry: Entry, rule: dict[str, Any]) -> bool:
    job = entry[0]
    name, values = rule.get("name"), rule.get("values") or []
    tests: dict[str, Callable[[str], bool]] = {
        "JOB_NAME": lambda value: fnmatchcase(job.name.lower(), value.lower()),
        "JOB_DEFINITION": lambda value: fnmatchcase(
            job.definition.lower() if value.startswith("arn:") else job.definition_name.lower(), value.lower()
        ),
        "BEFORE_CREATED_AT": lambda value: job.created < int(value),
        "AFTER_CREATED_AT": lambda value: job.created > int(value),
    }
    if name not in tests:
        raise BatchError(f"Error executing request, Exception : unknown filter {name}.")
    return any(tests[name](value) for value in values)
