"""One request of the registry's HTTP: its body as it comes, and its answer, streamed or whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from awsrun.local.registry.layers import PIECE

_REFUSED = 256 << 20  # bytes of a body that are taken in after the answer said no


class Refusal(Exception):
    """An answer of 4xx, in the protocol's terms."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Exchange(BaseHTTPRequestHandler):
    """Reads and writes; what is answered is for subclasses.

    Attributes:
        body: of the request that is answered, as it comes (`pieces`).
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    rbufsize = 1 << 16
    body: Iterator[bytes] = iter(())

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: requests carry credentials."""

    def pieces(self) -> Iterator[bytes]:
        """The request's body as it comes."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while size := int(self.rfile.readline(64).split(b";")[0] or b"0", 16):
                yield from self._read(size)
                self.rfile.readline(64)
            while self.rfile.readline(1024) not in (b"\r\n", b"\n", b""):
                pass  # trailers
        else:
            yield from self._read(int(self.headers.get("Content-Length") or 0))

    def _read(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self.rfile.read(min(size, PIECE))
            if not piece:
                raise ConnectionError("the client went away")
            size -= len(piece)
            yield piece

    def limited(self, most: int) -> Iterator[bytes]:
        """The body, as long as it has at most so many bytes.

        Raises:
            Refusal: it has more.
        """
        total = 0
        for piece in self.body:
            total += len(piece)
            if total > most:
                raise Refusal(413, "SIZE_INVALID", f"a manifest has {most} bytes at most")
            yield piece

    def refuse(self, refusal: Refusal) -> None:
        """Say no, and close where a body was on its way."""
        headers = {"Content-Type": "application/json"}
        if refusal.status == 401:
            headers["WWW-Authenticate"] = f'Basic realm="http://{self.headers.get("Host", "")}/",service="ecr"'
        error = {"code": refusal.code, "message": refusal.message}
        self.close_connection = self.close_connection or self.command not in ("GET", "HEAD")
        self.send(refusal.status, headers, json.dumps({"errors": [error]}).encode())
        with suppress(OSError, ValueError, Refusal):  # who is cut off while sending does not see the answer
            for _ in self.limited(_REFUSED):
                pass

    def send(self, status: int, headers: dict[str, str] | None = None, content: bytes = b"") -> None:
        """A whole answer, once what is left of the body is read."""
        for _ in self.body if not self.close_connection else ():
            pass
        self.head(status, {**(headers or {}), "Content-Length": str(len(content))})
        if self.command != "HEAD":
            self.wfile.write(content)

    def head(self, status: int, headers: dict[str, str]) -> None:
        """Status and headers; the content is written afterwards."""
        self.send_response_only(status, HTTPStatus(status).phrase)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        for name, value in headers.items():
            self.send_header(name, value.replace("\r", "").replace("\n", ""))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
