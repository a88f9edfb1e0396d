"""A proxy in front of a cloud: what stands between a command and its calls is said by subclasses."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlparse


@dataclass
class Request:
    """One call on its way.

    Attributes:
        marked: for subclasses, to know it again after it was forwarded.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    marked: bool = False


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever was killed closes its connections: no news."""


class ForwardingProxy:
    """``with ForwardingProxy(endpoint) as proxy: ... proxy.url``."""

    def __init__(self, endpoint: str) -> None:
        address = urlparse(endpoint)
        self.to = (address.hostname or "", address.port or 0)
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Any:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def before(self, request: Request) -> bool:
        """Whether to forward it; if not, the connection is closed."""
        return True

    def after(self, request: Request) -> bool:
        """Whether to deliver the answer; if not, the connection is closed."""
        return True


def _handler(proxy: ForwardingProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: else each answer waits for a delayed acknowledgement
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, dict(self.headers.items()), body)
            if not (proxy.before(request) and self.forward(request)):
                self.close_connection = True

        def forward(self, request: Request) -> bool:
            upstream = http.client.HTTPConnection(*proxy.to, timeout=60)
            upstream.request(request.method, request.path, request.body, dict(request.headers))
            try:
                answer = upstream.getresponse()
            except http.client.RemoteDisconnected:  # the cloud lost the answer on purpose
                return False
            content = answer.read()
            upstream.close()
            if not proxy.after(request):
                return False
            self.reply(answer, content)
            return True

        def reply(self, answer: http.client.HTTPResponse, content: bytes) -> None:
            self.send_response_only(answer.status)
            for key, value in answer.getheaders():
                if key.lower() not in ("connection", "transfer-encoding", "content-length"):
                    self.send_header(key, value)
            length = answer.headers.get("Content-Length") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None: ...

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = handle_any

    return Handler
