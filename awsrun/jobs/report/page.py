"""Puts a report's page together: one file, without anything from elsewhere.

The page gets a run's data as JSON and makes its elements from it with ``textContent``, so that what users and jobs
wrote (values, names, log lines) is text and nothing else.  A content security policy allows no other script than the
page's own, by its hash, and no request.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
_PARTS = files("awsrun.jobs.report")


def page(data: Mapping[str, Any]) -> str:
    """The page that shows ``data``, see `awsrun.jobs.report.data`."""
    script = _PARTS.joinpath("page.js").read_text("utf-8")
    known = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; script-src 'sha256-{known}'; style-src 'unsafe-inline'; img-src data:"
    parts = {
        "TITLE": html.escape(f"{data['run']['id']} · awsrun"),
        "POLICY": html.escape(policy),
        "STYLE": _PARTS.joinpath("page.css").read_text("utf-8"),
        "DATA": embedded(data),
        "SCRIPT": script,
    }
    whole = _PARTS.joinpath("page.html").read_text("utf-8")
    before, *rest = whole.split("{{")
    return before + "".join(parts[name] + text for name, _, text in (piece.partition("}}") for piece in rest))


def embedded(data: Any) -> str:
    """JSON that may stand within a ``script`` element, whatever is in it."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return text
