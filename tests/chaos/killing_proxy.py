"""A proxy in front of a cloud that counts mutating calls and kills (or suspends) whoever made the one it is set on.

``before``: the call is never forwarded.  ``after``: it is forwarded and done, and the answer is never delivered.
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlparse

Moment = Literal["before", "after"]
READS = ("Get", "List", "Describe", "Head", "Scan", "Query", "BatchGet")


def operation(method: str, path: str, target: str, body: bytes) -> str:
    """What is called, as far as it takes to tell reads from writes: ``CreateVpc``, ``PUT /bucket``."""
    if target:
        return target.rpartition(".")[2]
    if method == "POST" and (action := parse_qs(body.decode("utf-8", "replace")).get("Action")):
        return action[0]
    if found := re.match(r"/v1/([a-z]+)", path):  # Batch
        return found.group(1)[0].upper() + found.group(1)[1:]
    return {"GET": "Get ", "HEAD": "Head "}.get(method, f"{method} ") + path


def mutates(name: str) -> bool:
    return not name.startswith(READS)


@dataclass
class Trap:
    """Kills process ``pid`` at the ``at``-th mutating call from now.

    Attributes:
        blow: the signal; SIGSTOP suspends it.
        seen: the mutating calls so far.
        sprung: the call at which it killed; empty while it has not.
    """

    pid: int
    at: int = 0
    moment: Moment = "before"
    blow: signal.Signals = signal.SIGKILL
    seen: list[str] = field(default_factory=list)
    sprung: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def here(self, name: str) -> bool:
        """Counts a mutating call; whether it is the one.  After it no other call of the victim gets through."""
        with self.lock:
            self.seen.append(name)
            return len(self.seen) == self.at

    @property
    def dead(self) -> bool:
        """Whether the victim can make no calls any more; who is suspended wakes up and goes on."""
        return bool(self.sprung) and self.blow == signal.SIGKILL

    def spring(self, name: str) -> None:
        os.kill(self.pid, self.blow)
        self.sprung = name


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever was killed closes its connections: no news."""


class KillingProxy:
    """``with KillingProxy(endpoint) as proxy: ... proxy.url``; set `trap` before each command."""

    def __init__(self, endpoint: str) -> None:
        address = urlparse(endpoint)
        self.host, self.port = address.hostname or "", address.port or 0
        self.trap: Trap | None = None
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> KillingProxy:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet: else each answer waits for a delayed acknowledgement
            disable_nagle_algorithm = True

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                name = operation(self.command, self.path, self.headers.get("X-Amz-Target", ""), body)
                trap = proxy.trap
                hit = trap is not None and mutates(name) and trap.here(name)
                if trap is not None and (trap.dead or (hit and trap.moment == "before")):
                    if hit:
                        trap.spring(name)
                    self.close_connection = True
                    return
                upstream = http.client.HTTPConnection(proxy.host, proxy.port, timeout=60)
                upstream.request(self.command, self.path, body, dict(self.headers.items()))
                try:
                    answer = upstream.getresponse()
                except http.client.RemoteDisconnected:  # the cloud lost the answer on purpose
                    self.close_connection = True
                    return
                content = answer.read()
                upstream.close()
                if hit and trap is not None:
                    trap.spring(name)
                    self.close_connection = True
                    return
                self.reply(answer, content)

            def reply(self, answer: http.client.HTTPResponse, content: bytes) -> None:
                self.send_response_only(answer.status)
                for key, value in answer.getheaders():
                    if key.lower() not in ("connection", "transfer-encoding", "content-length"):
                        self.send_header(key, value)
                length = answer.headers.get("Content-Length") if self.command == "HEAD" else str(len(content))
                self.send_header("Content-Length", length or "0")
                self.end_headers()
                try:
                    self.wfile.write(content)
                except ConnectionError:
                    self.close_connection = True  # the client was killed meanwhile

            def log_message(self, format: str, *args: object) -> None: ...

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = handle_any

        return Handler
