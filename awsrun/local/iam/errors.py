"""What goes wrong between a call and its verdict."""

from __future__ import annotations


class PolicyError(Exception):
    """A policy that cannot be evaluated; the text says why."""


class Unlisted(Exception):
    """An operation whose rights the tables do not know; nobody but root may call it."""

    def __init__(self, service: str, operation: str) -> None:
        super().__init__(f"{service}:{operation}")
        self.service, self.operation = service, operation


class Refused(Exception):
    """Credentials that are no good.

    Args:
        kind: ``missing``, ``unknown`` or ``expired``.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind
