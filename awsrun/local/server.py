"""The server process: loads what was there, listens on loopback, and writes everything down when told to stop."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from werkzeug.serving import BaseWSGIServer, make_server

import awsrun
from awsrun.local import state
from awsrun.local.state import HOST, Files, Server


def serve(data: Path, port: int | None) -> int:
    """Serve ``data`` until SIGTERM or SIGINT; returns the exit code."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app

    files = Files(data)
    files.make()
    lock = files.server_lock.open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    moto = DomainDispatcherApplication(create_backend_app)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/_awsrun/health":
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps({"pid": os.getpid()}).encode()]
        return moto(environ, start_response)

    class Handler(MotoRequestHandler):
        disable_nagle_algorithm = True

        def log(self, *args: Any) -> None:
            pass

    http = _listen(app, Handler, state.last_port(files) if port is None else port, fixed=bool(port))
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=http.serve_forever, daemon=True, name="http").start()
    state.write(
        files,
        Server(os.getpid(), http.port, f"http://{HOST}:{http.port}", time.time(), awsrun.__version__),
    )
    ended.wait()
    files.server.unlink(missing_ok=True)
    return 0


def _listen(app: Any, handler: Any, port: int, fixed: bool) -> BaseWSGIServer:
    try:
        return make_server(HOST, port, app, threaded=True, request_handler=handler)
    except (OSError, SystemExit):
        if fixed:
            print(f"port {port} is taken", file=sys.stderr)
            raise
        return make_server(HOST, 0, app, threaded=True, request_handler=handler)
