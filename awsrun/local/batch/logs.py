"""A job's output on its way into CloudWatch Logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from awsrun.local import clock
from awsrun.local.batch.jobs import Job

DEFAULT_GROUP = "/aws/batch/job"  # the only group that is made here; AWS makes no other either
LINE = 256 * 1024  # bytes; CloudWatch's limit of an event
CHUNK = 1 << 20  # bytes read at a time
LIMIT = 64 << 20  # bytes kept of one attempt's output
_CUT = f"[the embedded cloud keeps {LIMIT >> 20} MB of an attempt's output; the rest is left out]"

Event = tuple[int, str]  # milliseconds, line


def group_of(job: Job) -> str:
    """The log group that a job writes to."""
    configuration = job.container.get("logConfiguration") or {}
    group: str = (configuration.get("options") or {}).get("awslogs-group", DEFAULT_GROUP)
    return group


def stream_of(job: Job, unique: str) -> str:
    """The name of an attempt's stream."""
    options = (job.container.get("logConfiguration") or {}).get("options") or {}
    return f"{options.get('awslogs-stream-prefix', job.definition_name)}/default/{unique}"


def read(output: Path, offset: int, at: int, last: bool) -> tuple[list[Event], int]:
    """Whole lines of ``output`` from ``offset`` on, and the offset behind them.

    Args:
        at: milliseconds, the lines' timestamp.
        last: the process is over: what has no line end is a line too.
    """
    if offset >= LIMIT:
        return [], offset
    try:
        with output.open("rb") as file:
            file.seek(offset)
            chunk = file.read(CHUNK)
    except OSError:
        return [], offset
    whole = chunk.rfind(b"\n") + 1
    if whole == 0 and (len(chunk) >= LINE or (last and chunk)):
        whole = len(chunk)
    if last and len(chunk) < CHUNK:
        whole = len(chunk)
    lines = chunk[:whole].decode(errors="replace").splitlines()
    events = [(at, line[start : start + LINE]) for line in lines for start in range(0, max(1, len(line)), LINE)]
    if offset + whole >= LIMIT:
        events.append((at, _CUT))
    return events, offset + whole


def store(account: str, region: str, group: str, stream: str, events: list[Event], offset: int) -> None:
    """Put events into moto's logs; dropped where the group does not exist.  The world's lock is held."""
    from moto.logs.models import logs_backends

    backend: Any = logs_backends[account][region]
    at = (events[-1][0] if events else 0) / 1000
    with clock.moment(at, f"{stream}@{offset}"):
        if group == DEFAULT_GROUP and group not in backend.groups:
            backend.create_log_group(group, {})
        if group not in backend.groups:
            return
        backend.ensure_log_stream(group, stream)
        if events:
            backend.put_log_events(
                group, stream, [{"timestamp": when, "message": line or " "} for when, line in events]
            )


def exists(account: str, region: str, group: str) -> bool:
    """Whether `store` would keep what it is given."""
    from moto.logs.models import logs_backends

    return group == DEFAULT_GROUP or group in logs_backends[account][region].groups
