"""Answers requests to REST APIs: finds the stage and the route, and calls the function or answers itself.

They are no calls of AWS's API: nothing of them is journaled, and no lock is held while a function runs.
"""

from __future__ import annotations

import json
import re
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from functools import partial
from typing import Protocol

from awsrun.local.apis import answers, routing
from awsrun.local.apis.deployed import Deployed, look_up
from awsrun.local.apis.event import Incoming, event
from awsrun.local.apis.routing import Route
from awsrun.local.apis.throttling import Buckets
from awsrun.local.calls import Call, Reply
from awsrun.local.http import APIS

# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
MOST = 10 * 1024 * 1024  # bytes of a request
PATIENCE = 29_000  # milliseconds that an integration has
_FUNCTION = re.compile(r":lambda:path/2015-03-31/functions/(arn:aws:lambda:[^/]+)/invocations$")


class Answer(Protocol):
    """What a function said: JSON, its answer or (``failed``) its error."""

    @property
    def payload(self) -> bytes: ...
    @property
    def failed(self) -> bool: ...


Invoke = Callable[[str, bytes, str], Answer | None]
"""Call a function, by its ARN, with an event, for a request (`Deployed.arn`); None where it cannot be called, or does
not let itself be.  It waits until the function is done."""


class Gateway:
    """All REST APIs of the embedded cloud.

    Args:
        lock: the world's.
    """

    def __init__(self, lock: threading.RLock, invoke: Invoke) -> None:
        self._lock, self._invoke = lock, invoke
        self._buckets = Buckets()

    def answer(self, call: Call) -> Reply:
        """The answer to a request below `APIS`."""
        path = str(call.environ["RAW_URI"]).partition("?")[0].removeprefix(APIS)
        api, _, rest = path.partition("/")
        name, slash, rest = rest.partition("/")
        request = Incoming(str(uuid.uuid4()), call, slash + rest or "/", time.time())
        with self._lock:
            stage = look_up(api, name)
        if stage is None:
            return answers.own(answers.FORBIDDEN, None, request)
        if len(call.body) > MOST:
            return answers.own(answers.TOO_LARGE, stage, request)
        route = routing.find(stage.methods, call.method, request.path)
        if route is None:
            return answers.own(answers.NO_ROUTE, stage, request)
        limit = stage.limit(route.key, route.resource)
        if not self._buckets.take((stage.api, stage.stage, route.resource, route.key), limit):
            return answers.own(answers.TOO_MANY, stage, request)
        return self._integrated(route, stage, request)

    def _integrated(self, route: Route, stage: Deployed, request: Incoming) -> Reply:
        integration = route.method.get("methodIntegration") or {}
        if integration.get("type") == "MOCK":
            return answers.mocked(route, stage, request)
        found = _FUNCTION.search(integration.get("uri") or "")
        open_to_all = (route.method.get("authorizationType") or "NONE") == "NONE"
        if integration.get("type") != "AWS_PROXY" or found is None or not open_to_all:
            print(f"API {stage.api}: {route.key} {route.resource} is of a type that the embedded cloud does not answer")
            return answers.own(answers.MISCONFIGURED, stage, request)
        content = json.dumps(event(stage, route, request)).encode()
        patience = int(integration.get("timeoutInMillis") or PATIENCE) / 1000
        answer = self._called(partial(self._invoke, found[1], content, stage.arn(route.key, route.resource)), patience)
        if answer is None:
            return answers.own(answers.TIMED_OUT, stage, request)
        if not answer:
            return answers.own(answers.MISCONFIGURED, stage, request)
        if answer[0].failed:
            return answers.own(answers.MALFORMED, stage, request)
        return answers.proxied(answer[0].payload, stage, request)

    def _called(self, invoke: Callable[[], Answer | None], patience: float) -> list[Answer] | None:
        """The function's answer, none where it could not be called; None where it takes too long: it runs on then, as
        it does at AWS."""
        done = threading.Event()
        said: list[Answer] = []

        def call() -> None:
            try:
                answer = invoke()
                said.extend([] if answer is None else [answer])
            except Exception:  # a bug of ours: the client sees it as AWS's 500
                traceback.print_exc()
            done.set()

        threading.Thread(target=call, daemon=True, name="api").start()
        return said if done.wait(patience) else None
