"""moto, as a function from a call to a reply."""

from __future__ import annotations

import json
import traceback
from xml.sax.saxutils import escape

from awsrun.local import clock
from awsrun.local.calls import Call, Reply
from awsrun.local.imports import MotoFinder
from awsrun.local.patches import PATCHES


class Moto:
    """moto's own WSGI application, patched, without a server around it."""

    def __init__(self) -> None:
        MotoFinder(clock.install, PATCHES).install()
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._application = DomainDispatcherApplication(create_backend_app)

    def __call__(self, call: Call) -> Reply:
        """Answer ``call``; what moto does not know or breaks on becomes a 501 or 500 that says so."""
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
            started.append((status, headers))

        try:
            chunks = self._application(call.wsgi(), start_response)
            content = b"".join(chunks)
        except NotImplementedError as error:
            return _failure(call, 501, f"the embedded cloud does not have this: {error}")
        except Exception as error:  # moto's bug must not take the server down; the client sees it as AWS's 500
            traceback.print_exc()
            return _failure(call, 500, f"the embedded cloud failed: {type(error).__name__}: {error}")
        status, headers = started[-1]
        return Reply(int(status.split(" ", 1)[0]), headers, content, status)


def _failure(call: Call, status: int, message: str) -> Reply:
    code = "NotImplemented" if status == 501 else "InternalFailure"
    if call.environ.get("HTTP_X_AMZ_TARGET") or call.scope[0] in ("batch", "lambda", "apigateway"):
        body = json.dumps({"__type": code, "message": message}).encode()
        return Reply(status, [("Content-Type", "application/json"), ("x-amzn-ErrorType", code)], body)
    error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    whole = error if call.scope[0] == "s3" else f"<ErrorResponse>{error}<RequestId>0</RequestId></ErrorResponse>"
    return Reply(status, [("Content-Type", "text/xml")], whole.encode())
