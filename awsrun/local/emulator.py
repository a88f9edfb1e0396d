"""moto, as a function from a call to a reply."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from typing import Any

from awsrun.local import clock
from awsrun.local.blobs import Blobs
from awsrun.local.calls import Call, Reply
from awsrun.local.errors import refusal
from awsrun.local.imports import MotoFinder
from awsrun.local.patches import patches

# Services whose every call is a POST to "/": these need no URL matching, and moto's handler is called directly.
_DIRECT = frozenset({"dynamodb", "ec2", "ecr", "ecs", "iam", "logs", "ssm", "sts"})
Handler = Callable[[Any, str, Any], Any]


class Moto:
    """moto's own WSGI application, patched, without a server around it."""

    def __init__(self, blobs: Blobs) -> None:
        os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"  # no browser calls AWS's control plane
        MotoFinder(clock.install, patches(blobs)).install()
        from moto.moto_server.werkzeug_app import BackendRequest, DomainDispatcherApplication, create_backend_app

        self._application = DomainDispatcherApplication(create_backend_app)
        self._request = BackendRequest
        self._handlers: dict[str, Handler] = {}

    def __call__(self, call: Call) -> Reply:
        """Answer ``call``; what moto does not know or breaks on becomes a 501 or 500 that says so."""
        service = call.scope[0]
        try:
            if service in _DIRECT and call.path == "/" and call.method == "POST" and not _other(call):
                return self._direct(service, call)
            return self._routed(call)
        except NotImplementedError as error:
            return refusal(call, "NotImplemented", f"the embedded cloud does not have this: {error}", 501)
        except Exception as error:  # moto's bug must not take the server down; the client sees it as AWS's 500
            traceback.print_exc()
            return refusal(call, "InternalFailure", f"the embedded cloud failed: {type(error).__name__}: {error}", 500)

    def _direct(self, service: str, call: Call) -> Reply:
        from werkzeug.exceptions import HTTPException

        handler = self._handlers.get(service) or self._handlers.setdefault(service, _handler(service))
        request = self._request(call.wsgi())
        try:
            answer = handler(request, request.raw_url, dict(request.headers))
        except HTTPException as error:
            response = error.get_response()
            return Reply(error.code or 500, list(response.headers), response.get_data())
        status, headers, content = answer if len(answer) == 3 else (200, {}, answer)
        body = content.encode() if isinstance(content, str) else content
        return Reply(int(status), [(name, str(value)) for name, value in headers.items()], body)

    def _routed(self, call: Call) -> Reply:
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
            started.append((status, headers))

        content = b"".join(self._application(call.wsgi(), start_response))
        status, headers = started[-1]
        return Reply(int(status.split(" ", 1)[0]), headers, content)


def _other(call: Call) -> bool:
    """Whether moto serves it from another backend than the signature's service names."""
    target: str = call.environ.get("HTTP_X_AMZ_TARGET", "")
    return target.startswith(("DynamoDBStreams", "DynamoDB_2011"))


def _handler(service: str) -> Handler:
    """What moto's url table has for ``/``."""
    from moto.backends import get_backend

    backend_dict: Any = get_backend(service)
    account = backend_dict["123456789012"]
    backend = account["us-east-1" if "us-east-1" in account else "aws"]
    found: Handler = next(handler for path, handler in backend.url_paths.items() if path.rstrip("$") == "/")
    return found
