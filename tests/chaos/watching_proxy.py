"""A proxy in front of a cloud that looks at the cloud itself before it lets certain calls through."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlparse

Watch = Callable[[str, Mapping[str, str]], None]


class WatchingProxy:
    """``with WatchingProxy(endpoint, watch) as proxy: ... proxy.url``.

    Args:
        watch: is told of each call of the Query protocol (EC2, IAM) before it is forwarded: its operation and form.
    """

    def __init__(self, endpoint: str, watch: Watch) -> None:
        address = urlparse(endpoint)
        self._to = (address.hostname or "", address.port or 0)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(watch))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> WatchingProxy:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self, watch: Watch) -> type[BaseHTTPRequestHandler]:
        to = self._to

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet: else each answer waits for a delayed acknowledgement
            disable_nagle_algorithm = True

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
                    form = dict(parse_qsl(body.decode()))
                    watch(form.get("Action", ""), form)
                upstream = http.client.HTTPConnection(*to, timeout=60)
                upstream.request(self.command, self.path, body, dict(self.headers.items()))
                answer = upstream.getresponse()
                content = answer.read()
                upstream.close()
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
