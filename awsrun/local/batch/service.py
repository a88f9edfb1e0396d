"""The Batch API of every region: calls in, records out, and the events of the scheduler taken in."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from awsrun.local import clock
from awsrun.local.batch import definitions, logs
from awsrun.local.batch.control import ControlPlane, Record
from awsrun.local.batch.errors import BatchError
from awsrun.local.batch.jobs import describe
from awsrun.local.batch.listing import list_jobs
from awsrun.local.batch.region import Region
from awsrun.local.batch.room import Room
from awsrun.local.batch.submit import job_of
from awsrun.local.calls import Call, Reply
from awsrun.local.work import logs as output

ACCOUNT = "123456789012"


class Batch:
    """AWS Batch.  Every method is called with the world's lock held.

    Attributes:
        wake: called when there may be something to start or to end.
        room: what there is for jobs.
    """

    name = "batch"

    def __init__(self) -> None:
        self.regions: dict[str, Region] = {}
        self.wake: Callable[[], None] = lambda: None
        self.room = Room()

    def handle(self, call: Call) -> Reply | None:
        service, region = call.scope
        if service != "batch":
            return None
        try:
            body = json.loads(call.body) if call.body else {}
            answer = self._dispatch(self._region(region), call, body)
        except BatchError as error:
            return _reply(400, {"message": error.message}, [("x-amzn-ErrorType", error.code)])
        except Exception as error:  # a bug of ours must not take the server down
            traceback.print_exc()
            return _reply(
                500, {"message": f"the embedded cloud failed: {error!r}"}, [("x-amzn-ErrorType", "ServerException")]
            )
        if call.changes:
            self.wake()
        return _reply(200, answer)

    def apply(self, event: tuple[Any, ...]) -> None:
        kind, region, *rest = event
        if kind == "logs":
            unit, group, stream, events, offset = rest
            output.store(ACCOUNT, region, group, stream, events, offset, make=group == logs.DEFAULT_GROUP)
            self._region(region).shipped(unit, offset)
        else:
            getattr(self._region(region), kind)(*rest)

    def state(self) -> Any:
        return self.regions

    def restore(self, state: Any) -> None:
        self.regions = state

    def _region(self, name: str) -> Region:
        return self.regions.setdefault(name, Region(ControlPlane(ACCOUNT, name)))

    def _dispatch(self, region: Region, call: Call, body: Record) -> Record:
        from moto.moto_api._internal import mock_random

        plane = region.plane
        if call.path.startswith("/v1/tags/"):
            return _tags(region, call, body)
        action = call.path.rsplit("/", 1)[-1]
        if action == "createcomputeenvironment":
            return plane.create_environment(body, str(mock_random.uuid4()))
        if action == "submitjob":
            job = job_of(plane, body, str(mock_random.uuid4()), int(clock.now() * 1000), region.jobs)
            region.add(job)
            return {"jobId": job.id, "jobName": job.name, "jobArn": job.arn}
        if action == "deletejobqueue":
            queue = plane.delete_queue(body)
            if queue is not None:
                region.end_queue(queue["jobQueueArn"], int(clock.now() * 1000))
            return {}
        actions: dict[str, Callable[[], Record]] = {
            "describecomputeenvironments": lambda: _page(
                "computeEnvironments",
                plane.select(plane.environments, body.get("computeEnvironments"), "computeEnvironmentName"),
                body,
            ),
            "updatecomputeenvironment": lambda: plane.update_environment(body),
            "deletecomputeenvironment": lambda: plane.delete_environment(body),
            "createjobqueue": lambda: plane.create_queue(body),
            "describejobqueues": lambda: _page(
                "jobQueues", plane.select(plane.queues, body.get("jobQueues"), "jobQueueName"), body
            ),
            "updatejobqueue": lambda: plane.update_queue(body),
            "registerjobdefinition": lambda: definitions.register(plane, body),
            "deregisterjobdefinition": lambda: definitions.deregister(plane, body),
            "describejobdefinitions": lambda: _page("jobDefinitions", definitions.describe(plane, body), body),
            "describejobs": lambda: _describe_jobs(region, body),
            "listjobs": lambda: list_jobs(region, body),
            "terminatejob": lambda: region.terminate(body, int(clock.now() * 1000)),
            "canceljob": lambda: region.cancel(body, int(clock.now() * 1000)),
        }
        if action not in actions:
            raise BatchError(f"the embedded cloud's Batch has no {action}", "NotImplemented")
        return actions[action]()


def _describe_jobs(region: Region, body: Record) -> Record:
    wanted = body.get("jobs") or []
    if len(wanted) > 100:
        raise BatchError("Error executing request, Exception : at most 100 jobs per call.")
    found = []
    for name in wanted:
        job = region.job(name)
        unit = job.unit(name.rsplit("/", 1)[-1]) if job else None
        if job and (unit or (job.size and ":" not in name.rsplit("/", 1)[-1])):
            found.append(describe(job, unit))
    return {"jobs": found}


def _page(key: str, records: list[Record], body: Record) -> Record:
    start, limit = int(body.get("nextToken") or 0), int(body.get("maxResults") or 100)
    page: Record = {key: records[start : start + limit]}
    if start + limit < len(records):
        page["nextToken"] = str(start + limit)
    return page


def _tags(region: Region, call: Call, body: Record) -> Record:
    arn = unquote(call.path.removeprefix("/v1/tags/"))
    tags = region.tags(arn)
    if call.method == "POST":
        tags.update(body.get("tags") or {})
    elif call.method == "DELETE":
        for key in call.query.get("tagKeys", []):
            tags.pop(key, None)
    else:
        return {"tags": tags}
    return {}


def _reply(status: int, body: Record, headers: list[tuple[str, str]] | None = None) -> Reply:
    return Reply(status, [("Content-Type", "application/json"), *(headers or [])], json.dumps(body).encode())
