"""A proxy in front of a cloud that looks at the cloud itself before it lets certain calls through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from tests.forwarding import ForwardingProxy, Request

Watch = Callable[[str, Mapping[str, str]], None]


class WatchingProxy(ForwardingProxy):
    """``with WatchingProxy(endpoint, watch) as proxy: ... proxy.url``.

    Args:
        watch: is told of each call of the Query protocol (EC2, IAM) before it is forwarded: its operation and form.
    """

    def __init__(self, endpoint: str, watch: Watch) -> None:
        super().__init__(endpoint)
        self._watch = watch

    def before(self, request: Request) -> bool:
        if request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            form = dict(parse_qsl(request.body.decode()))
            self._watch(form.get("Action", ""), form)
        return True
