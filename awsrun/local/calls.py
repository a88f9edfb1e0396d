"""One API call as it comes in, and its answer: which service it is for, and whether it changes anything."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, parse_qsl

_READS = re.compile(
    r"(describe|get|list|head|query|scan|batchget|transactget|filter|lookup|search|test)", re.IGNORECASE
)
_ACTION = re.compile(rb"(?:^|&)Action=(\w+)")


@dataclass(frozen=True)
class Reply:
    """An HTTP answer.

    Attributes:
        done: whether something was carried out, where the status tells otherwise: a success that did nothing, an error
            that left something behind.
    """

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    content: bytes = b""
    done: bool | None = None

    @property
    def changed(self) -> bool:
        """Whether the answer to a change stands for one."""
        return self.status < 400 if self.done is None else self.done


DROPPED = Reply(0)
"""No answer: the connection is closed instead."""


@dataclass(frozen=True)
class Call:
    """An HTTP request to some AWS service, body read.

    Attributes:
        environ: of WSGI: method, path, headers; and what moto wants beyond it.
    """

    environ: dict[str, Any]
    body: bytes

    @property
    def method(self) -> str:
        return str(self.environ["REQUEST_METHOD"])

    @property
    def path(self) -> str:
        return str(self.environ["PATH_INFO"])

    @cached_property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(self.environ.get("QUERY_STRING", ""), keep_blank_values=True)

    @cached_property
    def scope(self) -> tuple[str, str]:
        """Service and region that the signature is for (SigV4's credential scope), or empty strings."""
        try:
            _, _, region, service, _ = self.environ["HTTP_AUTHORIZATION"].split(",")[0].split()[1].split("/")
        except (KeyError, IndexError, ValueError):
            return "", ""
        return service.lower(), region

    @cached_property
    def action(self) -> str:
        """The operation where the protocol names it (JSON: a header; Query: a form field), else empty."""
        target: str = self.environ.get("HTTP_X_AMZ_TARGET", "")
        if target:
            return target.rsplit(".", 1)[-1]
        if self.environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
            found = _ACTION.search(self.body)
            return found.group(1).decode() if found else ""
        return self.query.get("Action", [""])[0]

    @cached_property
    def changes(self) -> bool:
        """Whether it may change something that has to be there after a restart."""
        if self.action:
            return _READS.match(self.action) is None
        if self.method in ("GET", "HEAD", "OPTIONS"):
            return False
        return not (self.scope[0] == "batch" and _READS.match(self.path.rsplit("/", 1)[-1]))

    @cached_property
    def form(self) -> dict[str, str]:
        """The parameters of a call in the Query protocol (EC2, IAM, STS)."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @cached_property
    def json(self) -> dict[str, Any]:
        """The body of a call in a JSON protocol; empty where it is none."""
        try:
            found = json.loads(self.body) if self.body else {}
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def wsgi(self) -> dict[str, Any]:
        """An environment for a WSGI application."""
        return {
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SCRIPT_NAME": "",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(self.body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            **self.environ,
        }


Perform = Callable[[Call], Reply]
