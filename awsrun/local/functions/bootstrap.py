"""What runs inside an execution environment: loads the handler once, then answers one event after the other.

A script of its own, on the standard library alone; the embedded cloud starts it and never runs it itself.  Its
arguments are the file descriptor of a socket and where modules are looked for first.  A message on the socket, either
way, is two lengths (4 bytes each, big endian), a JSON object and a body: ``ready`` or ``failed`` once, then
``response`` or ``error`` for each ``invoke``.  When the other end is closed, this process and all that it started end.

Errors have the shapes of AWS's Python runtime (https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html,
https://github.com/aws/aws-lambda-python-runtime-interface-client), and the context its attributes
(https://docs.aws.amazon.com/lambda/latest/dg/python-context.html).
"""

from __future__ import annotations

import decimal
import importlib
import json
import logging
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any

LENGTHS = struct.Struct(">II")
MOST = 6 * 1024 * 1024 + 100  # bytes of a response
TOO_LARGE = f"Response payload size exceeded maximum allowed payload size ({MOST} bytes)."
_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000  # of unshare(2)
_BIND, _PRIVATE = 0x1000, 0x4000 | 1 << 18  # of mount(2): MS_BIND; MS_REC | MS_PRIVATE
Handler = Callable[[Any, Any], Any]


class Fault(Exception):
    """The handler cannot be used as it is."""

    def __init__(self, kind: str, message: str, trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.kind, self.trace = f"Runtime.{kind}", trace or []


class Channel:
    """Messages from and to the embedded cloud."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._socket = socket.socket(fileno=descriptor)

    def receive(self) -> tuple[dict[str, Any], bytes]:
        head, body = LENGTHS.unpack(self._read(LENGTHS.size))
        return json.loads(self._read(head)), self._read(body)

    def send(self, head: dict[str, Any], body: bytes = b"") -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        packed = json.dumps(head).encode()
        self._socket.sendall(LENGTHS.pack(len(packed), len(body)) + packed + body)

    def end_with_it(self) -> None:
        """End when the other side is gone, whatever the handler does."""
        poll = select.poll()
        poll.register(self._socket, 0)  # closing is reported always

        def watch() -> None:
            poll.poll()
            os.killpg(0, signal.SIGKILL)

        threading.Thread(target=watch, daemon=True).start()

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._socket.recv(min(size - len(parts), 1 << 20))
            if not part:
                os.killpg(0, signal.SIGKILL)
            parts += part
        return bytes(parts)


class Context:
    """What a handler gets as its second argument."""

    def __init__(self, head: dict[str, Any]) -> None:
        self.aws_request_id = head["id"]
        self.invoked_function_arn = head["arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)
        self.client_context = _client_context(head["client_context"])
        self.tenant_id = None
        self._deadline: float = head["deadline"]  # POSIX milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int(self._deadline - time.time() * 1000))

    def log(self, message: Any) -> None:
        sys.stdout.write(str(message))


class Encoder(json.JSONEncoder):
    """Takes numbers as DynamoDB gives them; a fraction becomes the nearest double."""

    def default(self, value: Any) -> Any:
        if isinstance(value, decimal.Decimal):
            return int(value) if value == value.to_integral_value() else float(value)
        return super().default(value)


class Lines(logging.StreamHandler):  # type: ignore[type-arg]
    """The root logger's handler, with AWS's format; it knows the request that is worked on."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self.request = ""
        layout = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
        formatter = logging.Formatter(layout, "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        self.setFormatter(formatter)

    def format(self, record: logging.LogRecord) -> str:
        record.aws_request_id = self.request
        return super().format(record)


def main() -> None:
    channel = Channel(int(sys.argv[1]))
    own_tmp(Path(os.environ["TMPDIR"]))
    channel.end_with_it()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.path[0:1] = sys.argv.pop().split(os.pathsep)
    del sys.argv[1:]
    lines = Lines()
    logging.getLogger().addHandler(lines)
    try:
        handler = load(os.environ["_HANDLER"])
    except Exception as error:
        channel.send({"kind": "failed", **_told(error)}, _shape(error, ""))
        sys.exit(1)
    channel.send({"kind": "ready"})
    while True:
        head, event = channel.receive()
        os.environ["_X_AMZN_TRACE_ID"] = head["trace"]
        lines.request = head["id"]
        try:
            channel.send({"kind": "response"}, _answer(handler, head, event))
        except Exception as error:
            channel.send({"kind": "error", **_told(error)}, _shape(error, head["id"]))


def own_tmp(folder: Path) -> None:
    """Put ``folder`` in the place of /tmp, for this process and what it starts.

    That takes namespaces of Linux (unshare(2), mount(2), user_namespaces(7)), and that nothing which is needed lies in
    /tmp; where either is missing, TMPDIR alone leads to the folder.
    """
    needed = (os.environ["LAMBDA_TASK_ROOT"], sys.executable, sys.prefix, sys.base_prefix)
    if not sys.platform.startswith("linux") or any(Path("/tmp") in Path(one).resolve().parents for one in needed):
        return
    import ctypes

    system = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if system.unshare(_NEW_MOUNTS | (_NEW_USER if user else 0)) != 0:
        return
    try:
        if user:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    except OSError:
        return
    if system.mount(b"none", b"/", None, _PRIVATE, None) or system.mount(bytes(folder), b"/tmp", None, _BIND, None):
        return
    os.environ["TMPDIR"] = "/tmp"


def load(name: str) -> Handler:
    """The function that ``module.function`` names.

    Raises:
        Fault: there is none.
        Exception: what its module raises.
    """
    module_name, dot, function = name.rpartition(".")
    if not dot:
        said = f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)"
        raise Fault("MalformedHandlerName", said)
    if module_name.partition(".")[0] in sys.builtin_module_names:
        raise Fault("BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    except SyntaxError as error:
        place = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise Fault("UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", [place]) from error
    try:
        found: Handler = getattr(module, function)
    except AttributeError as error:
        raise Fault("HandlerNotFound", f"Handler '{function}' missing on module '{module_name}'") from error
    return found


def _answer(handler: Handler, head: dict[str, Any], event: bytes) -> bytes:
    try:
        request = json.loads(event)
    except ValueError as error:
        raise Fault("UnmarshalError", f"Unable to unmarshal input: {error}") from error
    result = handler(request, Context(head))
    try:
        body = json.dumps(result, cls=Encoder, ensure_ascii=False).encode()
    except Exception as error:
        raise Fault("MarshalError", f"Unable to marshal response: {error}") from error
    if len(body) > MOST:
        raise _TooLarge(TOO_LARGE)
    return body


class _TooLarge(Exception):
    pass


def _shape(error: Exception, request: str) -> bytes:
    """An exception as an answer."""
    if isinstance(error, _TooLarge):
        return json.dumps({"errorMessage": str(error), "errorType": "Function.ResponseSizeTooLarge"}).encode()
    shape = {"errorMessage": str(error), "errorType": _kind(error), "requestId": request, "stackTrace": _trace(error)}
    return json.dumps(shape, ensure_ascii=False).encode("utf-8", "replace")


def _told(error: Exception) -> dict[str, str]:
    """What the log says of it, as one event."""
    if isinstance(error, _TooLarge):
        return {"log": str(error), "type": "Function.ResponseSizeTooLarge"}
    trace = _trace(error)
    lines = ["Traceback (most recent call last):\n", *trace] if trace else []
    return {"log": f"[ERROR] {_kind(error)}: {error}\n{''.join(lines)}".rstrip(), "type": _kind(error)}


def _kind(error: Exception) -> str:
    return error.kind if isinstance(error, Fault) else type(error).__name__


def _trace(error: Exception) -> list[str]:
    """Frames of the function's own code alone."""
    if isinstance(error, Fault):
        return error.trace
    frame: TracebackType | None = error.__traceback__
    while frame is not None and _foreign(frame.tb_frame.f_code.co_filename):
        frame = frame.tb_next
    return traceback.format_list([one for one in traceback.extract_tb(frame) if not _foreign(one.filename)])


def _foreign(file: str) -> bool:
    return file in (__file__, importlib.__file__) or file.startswith("<frozen importlib")


def _client_context(given: dict[str, Any] | None) -> Any:
    if given is None:
        return None
    client = SimpleNamespace(**given["client"]) if isinstance(given.get("client"), dict) else None
    return SimpleNamespace(custom=given.get("custom"), env=given.get("env"), client=client)


if __name__ == "__main__":
    main()
