"""A proxy in front of a cloud that counts the calls on the wire, and keeps each back for a while.

What a command really sends is seen here, whoever sends it: awsrun, boto3 within Ansible, retries included.
"""

from __future__ import annotations

import http.client
import re
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse


@dataclass(frozen=True)
class Call:
    """One call; times are monotonic seconds: when it was here whole, and when its answer was sent off."""

    name: str
    start: float
    end: float
    status: int


class Wire:
    """``with Wire(endpoint, latency=0.05) as wire: ... wire.url, wire.calls``.

    Args:
        latency: seconds that each call is kept before it goes on, beside those of other connections.
    """

    def __init__(self, endpoint: str, latency: float = 0.0) -> None:
        address = urlparse(endpoint)
        self.host, self.port, self.latency = address.hostname or "", address.port or 0, latency
        self.calls: list[Call] = []
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Wire:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet: else each answer waits for a delayed acknowledgement
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                self.upstream = http.client.HTTPConnection(wire.host, wire.port, timeout=120)

            def finish(self) -> None:
                super().finish()
                self.upstream.close()

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                start = time.monotonic()
                name = operation(self.command, self.path, self.headers.get("X-Amz-Target", ""), body)
                time.sleep(wire.latency)
                answer, content = self.ask(body)
                self.reply(answer, content)
                if not self.path.startswith("/_awsrun/"):  # the embedded cloud's own: no call to AWS
                    wire.calls.append(Call(name, start, time.monotonic(), answer.status))

            def ask(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
                """The server's answer; on a new connection where it closed the idle one."""
                for last in (False, True):
                    try:
                        self.upstream.request(self.command, self.path, body, dict(self.headers.items()))
                        answer = self.upstream.getresponse()
                        return answer, answer.read()
                    except (http.client.RemoteDisconnected, ConnectionError):
                        self.upstream.close()
                        if last:
                            raise
                raise AssertionError("unreachable")

            def reply(self, answer: http.client.HTTPResponse, content: bytes) -> None:
                self.send_response_only(answer.status)
                for key, value in answer.getheaders():
                    if key.lower() not in ("connection", "transfer-encoding", "content-length"):
                        self.send_header(key, value)
                length = answer.headers.get("Content-Length") if self.command == "HEAD" else str(len(content))
                self.send_header("Content-Length", length or "0")
                self.end_headers()
                self.wfile.write(content)
                self.wfile.flush()

            def log_message(self, format: str, *args: object) -> None: ...

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = handle_any

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def operation(method: str, path: str, target: str, body: bytes) -> str:
    """The name of what is called; of S3 and other REST services the method and the path."""
    if target:
        return target.rpartition(".")[2]
    if method == "POST" and (action := parse_qs(body.decode("utf-8", "replace")).get("Action")):
        return action[0]
    if found := re.match(r"/v1/([a-z]+)", path):  # Batch
        return found.group(1)[0].upper() + found.group(1)[1:]
    return f"{method} {path}"
