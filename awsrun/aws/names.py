"""Physical names: derived from stack and key, so that a lost laptop finds everything again."""

from __future__ import annotations

import hashlib

RUNS = ".runs"  # ends the names of runs tables
# An image's tag; by its letters, for a \w of all the world's scripts, up to 128 times, takes 30 ms to compile:
# https://docs.docker.com/reference/cli/docker/image/tag/
IMAGE_TAG = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"


def digest(*parts: object, length: int = 6) -> str:
    """``length`` hex digits that stand for ``parts`` (a hash, not a secret)."""
    return hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=16).hexdigest()[:length]


def physical(stack: str, key: str, limit: int, suffix: str = "", lower: bool = False) -> str:
    """``STACK-KEY[-SUFFIX]``, shortened with a hash of the whole to ``limit`` characters.

    ``key`` may be a path (``network/public-0``); its slashes become dashes.
    """
    base = f"{stack}-{key.replace('/', '-')}"
    if lower:
        base = base.lower().replace("_", "-")
    tail = f"-{suffix}" if suffix else ""
    if len(base) + len(tail) > limit:
        mark = f"-{digest(stack, key)}"
        base = base[: limit - len(tail) - len(mark)].rstrip("-") + mark
    return base + tail


def stack_table(stack: str) -> str:
    """The table with a stack's lock, intents, history and outputs."""
    return f"awsrun-{stack}"


def runs_table(stack: str) -> str:
    """The table with a stack's runs and trials: all that its workers may touch."""
    return stack_table(stack) + RUNS
