"""A failure as a record: exception type, the user's file and line, the end of the traceback."""

from __future__ import annotations

import os
import signal
import traceback
from pathlib import Path
from typing import Any

TRACEBACK = 4096
"""Bytes of traceback that are kept: its end, where the cause is."""
MESSAGE = 1024
_OURS = Path(__file__).parent


def describe(error: BaseException, root: Path) -> dict[str, Any]:
    """What a user needs to know of an exception.

    Args:
        root: the project's, which differs from worker to worker: its files are named relative to it.
    """
    frames = traceback.extract_tb(error.__traceback__)
    while frames and Path(frames[0].filename).parent == _OURS:
        del frames[0]  # how awsrun called the job is of no interest
    while frames and frames[0].filename.startswith("<frozen importlib"):
        del frames[0]
    users = [frame for frame in frames if Path(frame.filename).is_relative_to(root)]
    where: str | None = None
    line: int | None = None
    if isinstance(error, SyntaxError):
        where, line = error.filename, error.lineno
    elif place := (users or frames)[-1:]:
        where, line = place[0].filename, place[0].lineno
    path = Path(where) if where else None
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames)]
    text = "".join([*lines, *traceback.format_exception_only(type(error), error)]).replace(f'"{root}{os.sep}', '"')
    return {
        "type": type(error).__name__,
        "message": _text(error)[:MESSAGE],
        "file": str(path.relative_to(root) if path and path.is_relative_to(root) else path or ""),
        "line": line or 0,
        "traceback": text.encode(errors="backslashreplace")[-TRACEBACK:].decode(errors="ignore"),
    }


def _text(error: BaseException) -> str:
    """What an exception says, in characters that every terminal and table takes; names of files may hold others."""
    try:
        return str(error).encode(errors="backslashreplace").decode()
    except Exception as broken:
        return f"it cannot say what it is: {type(broken).__name__}"


def died(code: int, peak_kib: int) -> dict[str, Any]:
    """A trial's process that ended without a word.

    Args:
        code: exit code, or minus the signal's number.
        peak_kib: the most memory it had, in KiB; 0 if unknown.
    """
    peak = f" (it used up to {peak_kib // 1024} MiB)" if peak_kib else ""
    if code >= 0:
        return {"type": "ProcessExited", "message": f"the trial's process ended with code {code}{peak}", "code": code}
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    out = "; out of memory?" if name == "SIGKILL" else ""
    message = f"the trial's process was killed by {name}{peak}{out}"
    return {"type": "ProcessKilled", "message": message, "signal": name, "peak_mib": peak_kib // 1024}
