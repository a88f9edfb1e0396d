"""A proxy in front of a cloud: what stands between a command and its calls is said by subclasses.

What a command really sends is seen there, whoever sends it: awsrun, boto3 within another tool, retries included.
"""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse


@dataclass
class Request:
    """One call on its way.

    Attributes:
        began: monotonic seconds when it was here whole.
        status: of its answer, once there is one.
        marked: for subclasses, to know it again after it was forwarded.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    began: float
    status: int = 0
    marked: bool = False

    @property
    def operation(self) -> str:
        """The name of what is called; of S3 and other REST services the method and the path."""
        if target := self.headers.get("X-Amz-Target", ""):
            return target.rpartition(".")[2]
        if self.method == "POST" and (action := parse_qs(self.body.decode("utf-8", "replace")).get("Action")):
            return action[0]
        if found := re.match(r"/v1/([a-z]+)", self.path):  # Batch
            return found.group(1)[0].upper() + found.group(1)[1:]
        return f"{self.method} {self.path}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

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
            request = Request(self.command, self.path, dict(self.headers.items()), body, time.monotonic())
            if not (proxy.before(request) and self.forward(request)):
                self.close_connection = True

        def forward(self, request: Request) -> bool:
            upstream = http.client.HTTPConnection(*proxy.to, timeout=60)
            upstream.request(request.method, request.path, request.body, dict(request.headers))
            try:
                answer = upstream.getresponse()
            except http.client.RemoteDisconnected:  # the cloud lost the answer on purpose
                return False
            content, request.status = answer.read(), answer.status
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
