"""A small HTTP/1.1 server on loopback: a thread per connection, connections kept open, bodies read whole.

werkzeug's, which moto brings, closes every connection after one answer: a new connection and a new thread per call
cost about as much as the call.
"""

from __future__ import annotations

import socket
import socketserver
from http import HTTPStatus
from io import BufferedIOBase
from typing import Any
from urllib.parse import unquote_to_bytes

from awsrun.local.calls import DROPPED, Call, Perform, Reply

APIS = "/_apis/"  # where REST APIs answer: /_apis/API/STAGE/PATH
HEADERS = "awsrun.headers"  # in the environment of a request to one: (name, value) as they came

_MOST = 2 << 30  # bytes of a body; S3 itself takes 5 GB in one call, but this is a laptop
_LINE = 65536  # bytes


class HttpServer(socketserver.ThreadingTCPServer):
    """Listens at once; serves when told to.

    Args:
        address: host and port, 0 for any.
        answer: called from many threads.
    """

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], answer: Perform) -> None:
        self.answer = answer
        super().__init__(address, _Connection)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error."""


class _Connection(socketserver.StreamRequestHandler):
    server: HttpServer
    rbufsize = 1 << 16
    disable_nagle_algorithm = True

    def handle(self) -> None:
        while (call := self._read()) is not None:
            reply = self.server.answer(call)
            if reply is DROPPED:
                return
            lasts = call.environ.get("HTTP_CONNECTION", "").lower() != "close"
            self._write(call, reply, lasts)
            if not lasts:
                return

    def _read(self) -> Call | None:
        """The next request; None where the client is done, or does not speak HTTP."""
        words = self.rfile.readline(_LINE).decode("latin-1").split()
        if len(words) != 3:
            return None
        method, target, _ = words
        environ = _environ(method, target, self.rfile)
        if environ.get("HTTP_EXPECT", "").lower() == "100-continue":
            self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in environ.pop("HTTP_TRANSFER_ENCODING", "").lower():
            body = _chunks(self.rfile)
        else:
            length = int(environ.get("CONTENT_LENGTH") or 0)
            if length > _MOST:
                return None
            body = self.rfile.read(length)
            if len(body) < length:
                return None
        environ["CONTENT_LENGTH"] = str(len(body))
        return Call(environ, body)

    def _write(self, call: Call, reply: Reply, lasts: bool) -> None:
        phrase = HTTPStatus(reply.status).phrase
        lines = [f"HTTP/1.1 {reply.status} {phrase}"]
        lengthy = True
        for name, value in reply.headers:
            lower = name.lower()
            if lower == "content-length":
                lengthy = call.method == "HEAD"  # of what a GET would bring; else it is counted here
                if not lengthy:
                    continue
                lengthy = False
            elif lower in ("connection", "transfer-encoding"):
                continue
            lines.append(f"{name}: {str(value).replace(chr(13), '').replace(chr(10), '')}")
        if call.method != "HEAD" or lengthy:
            lines.append(f"Content-Length: {len(reply.content)}")
        lines.append("Connection: keep-alive" if lasts else "Connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        if call.method == "HEAD" or not reply.content:
            self.request.sendall(head)
        elif len(reply.content) < _LINE:
            self.request.sendall(head + reply.content)
        else:
            self.request.sendall(head)
            self.request.sendall(reply.content)


def _environ(method: str, target: str, stream: BufferedIOBase) -> dict[str, Any]:
    """A WSGI environment of strings, with what moto wants beyond it: the raw target, spellings with underscores."""
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": target,
        "REQUEST_URI": target,
    }
    spelt: dict[str, str] = {}
    came: list[tuple[str, str]] = []
    while (line := stream.readline(_LINE)) not in (b"\r\n", b"\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        came.append((name, value.strip()))
        if "_" in name and not name.lower().startswith("x-amz-meta-"):
            continue  # cannot be told from the same with dashes
        key = "HTTP_" + name.upper().replace("-", "_")
        if key in ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"):
            key = key[5:]
        if "_" in name:
            spelt[key] = name
        value = value.strip()
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    environ["moto.preserved_header_names"] = spelt
    if path.startswith(APIS):  # functions get headers as they came; calls of AWS are kept, and need no more than that
        environ[HEADERS] = came
    return environ


def _chunks(stream: BufferedIOBase) -> bytes:
    """A body in HTTP's chunked encoding."""
    parts = []
    while size := int(stream.readline(_LINE).split(b";")[0] or b"0", 16):
        parts.append(stream.read(size))
        stream.readline(_LINE)
    while stream.readline(_LINE) not in (b"\r\n", b"\n", b""):
        pass  # trailers
    return b"".join(parts)


def listen(host: str, port: int, answer: Perform) -> HttpServer:
    """Listen on ``port``.

    Raises:
        OSError: it is taken.
    """
    server = HttpServer((host, port), answer)
    server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return server
