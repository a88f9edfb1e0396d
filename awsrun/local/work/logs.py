"""Output of jobs and tasks on its way into CloudWatch Logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from awsrun.local import clock

LINE = 256 * 1024  # bytes; CloudWatch's limit of an event
CHUNK = 1 << 20  # bytes read at a time
LIMIT = 64 << 20  # bytes kept of one container's output
_CUT = f"[the embedded cloud keeps {LIMIT >> 20} MB of a container's output; the rest is left out]"

Event = tuple[int, str]  # milliseconds, line


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


def store(
    account: str, region: str, group: str, stream: str, events: list[Event], offset: int, make: bool = False
) -> None:
    """Put events into moto's logs; dropped where the group does not exist.  The world's lock is held.

    Args:
        make: make the group where it does not exist.
    """
    from moto.logs.models import logs_backends

    backend: Any = logs_backends[account][region]
    at = (events[-1][0] if events else 0) / 1000
    with clock.moment(at, f"{stream}@{offset}"):
        if make and group not in backend.groups:
            backend.create_log_group(group, {})
        if group not in backend.groups:
            return
        backend.ensure_log_stream(group, stream)
        if events:
            backend.put_log_events(
                group, stream, [{"timestamp": when, "message": line or " "} for when, line in events]
            )


def exists(account: str, region: str, group: str) -> bool:
    """Whether there is such a group."""
    from moto.logs.models import logs_backends

    return group in logs_backends[account][region].groups
