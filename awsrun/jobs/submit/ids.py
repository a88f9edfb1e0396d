"""Run ids: short, readable, sortable by time within a job: ``mnist-1123-1432-k3f``."""

from __future__ import annotations

import re
import secrets
from datetime import datetime

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # nothing that looks like something else
_LONGEST_STEM = 24


def token(length: int = 3) -> str:
    """Random letters that tell apart runs of one minute."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def new(job: str, at: datetime, end: str) -> str:
    """The id of a run of the job file ``job`` submitted ``at`` (UTC); ``end`` is a `token`."""
    return f"{stem(job)}-{at:%m%d-%H%M}-{end}"


def stem(job: str) -> str:
    """What the ids of the job file's runs begin with."""
    name = job.rsplit("/", 1)[-1].removesuffix(".py")
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST_STEM].rstrip("-") or "run"
