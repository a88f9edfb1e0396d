"""A way to the cloud that can be cut."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from urllib.parse import urlsplit


class Road:
    """Passes on what goes to a cloud and comes back, until it is cut.

    Attributes:
        url: the cloud's endpoint by this way.
    """

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self._to = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._callers: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """From now on connections are refused, and those that are there broken off."""
        for one in (self._listener, *self._callers):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                self._callers.append(caller)
                threading.Thread(target=self._carry, args=(caller,), daemon=True).start()

    def _carry(self, caller: socket.socket) -> None:
        with caller, contextlib.suppress(OSError, ValueError), socket.create_connection(self._to) as cloud:
            while True:
                for one in select.select([caller, cloud], [], [])[0]:
                    data = one.recv(1 << 16)
                    if not data:
                        return
                    (cloud if one is caller else caller).sendall(data)
