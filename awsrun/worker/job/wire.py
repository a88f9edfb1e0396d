"""JSON lines over pipes and sockets, between the worker's three processes."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any


class Lines:
    """Makes lines of what comes in, piece by piece."""

    def __init__(self, limit: int = 1 << 20) -> None:
        self._rest = b""
        self._limit = limit

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that are complete now, without their ends; one that is too long comes in parts."""
        self._rest += data
        *lines, self._rest = self._rest.split(b"\n")
        yield from lines
        if len(self._rest) > self._limit:
            yield self.end()

    def end(self) -> bytes:
        """What is left when nothing more comes."""
        rest, self._rest = self._rest, b""
        return rest


def write(fd: int, message: Mapping[str, Any]) -> None:
    """Send one message, whole."""
    data = memoryview(json.dumps(message).encode() + b"\n")
    while data:
        data = data[os.write(fd, data) :]


def drain(fd: int, most: int = 1 << 18) -> tuple[bytes, bool]:
    """What can be read from a non-blocking descriptor now, and whether the other end is closed.

    Args:
        most: about so many bytes, and the rest another time: who writes faster than this reads keeps nobody busy for
            good.
    """
    found = b""
    while len(found) < most:
        try:
            data = os.read(fd, 65536)
        except BlockingIOError:
            return found, False
        except ConnectionError:
            return found, True
        if not data:
            return found, True
        found += data
    return found, False


def send(sock: socket.socket, message: Mapping[str, Any], fds: tuple[int, ...] = ()) -> None:
    """Send one message over a Unix socket, with descriptors."""
    data = json.dumps(message).encode() + b"\n"
    sent = socket.send_fds(sock, [data], list(fds)) if fds else 0
    if rest := data[sent:]:  # whoever has it all may have closed already
        sock.sendall(rest)


def receive(sock: socket.socket, descriptors: int) -> tuple[dict[str, Any], list[int]] | None:
    """Wait for one message and its descriptors; None when the other end is closed.  One message comes at a time."""
    data, fds = b"", list[int]()
    while not data.endswith(b"\n"):
        piece, got, _, _ = socket.recv_fds(sock, 65536, descriptors)
        if not piece:
            return None
        data, fds = data + piece, fds + got
    message: dict[str, Any] = json.loads(data)
    return message, fds
