"""Batch's errors.  The service answers nearly everything with ClientException; the text tells."""

from __future__ import annotations

from typing import Any


class BatchError(Exception):
    """Refuses a call.

    Args:
        message: what AWS would say.
        code: its error code.
    """

    def __init__(self, message: str, code: str = "ClientException") -> None:
        super().__init__(message)
        self.message, self.code = message, code


def need(body: dict[str, Any], *names: str) -> None:
    """Refuse a body that lacks one of ``names``."""
    for name in names:
        if body.get(name) in (None, "", []):
            raise BatchError(f"Error executing request, Exception : {name} is required.")


def among(value: object, name: str, allowed: tuple[str, ...]) -> None:
    """Refuse a value that is not one of ``allowed``."""
    if value is not None and value not in allowed:
        raise BatchError(f"Error executing request, Exception : {name} must be one of {' | '.join(allowed)}.")
