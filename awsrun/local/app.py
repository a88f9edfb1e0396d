"""The WSGI application: health, and AWS's calls."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from awsrun.local.calls import Call, Reply

Perform = Callable[[Call], Reply]


class Application:
    """What the HTTP server calls, from one thread per connection.

    Args:
        perform: carries out one call of AWS's.
        about: what the health page says besides the process id.
    """

    def __init__(self, perform: Perform, about: dict[str, Any]) -> None:
        self._perform = perform
        self._about = about

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/_awsrun/health":
            content = json.dumps({"pid": os.getpid(), **self._about}).encode()
            start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
            return [content]
        reply = self._perform(Call.read(environ))
        line = reply.line or f"{reply.status} {HTTPStatus(reply.status).phrase}"
        headers = reply.headers
        if environ["REQUEST_METHOD"] != "HEAD" and not any(name.lower() == "content-length" for name, _ in headers):
            headers = [*headers, ("Content-Length", str(len(reply.content)))]
        start_response(line, headers)
        return [reply.content]
