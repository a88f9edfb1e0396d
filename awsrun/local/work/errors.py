"""Why something does not start."""

from __future__ import annotations


class NoRole(Exception):
    """A job or task cannot have the role that its definition names; the text says why, as ECS does."""
