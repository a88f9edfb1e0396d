"""Carries invocations out, outside of the world's lock: functions call back into the cloud while they run."""

from __future__ import annotations

import base64
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.functions import logs, requests, variables
from awsrun.local.functions.code import CodeStore
from awsrun.local.functions.definition import ACCOUNT, Definition, Package, Target, find, known
from awsrun.local.functions.dispatcher import Dispatcher
from awsrun.local.functions.errors import Refused, pending
from awsrun.local.functions.execution import ExecutionEnvironment
from awsrun.local.functions.logs import Event, Shipper, Stream
from awsrun.local.functions.outcome import Invocation, Outcome
from awsrun.local.functions.pool import Pool
from awsrun.local.functions.process import Place
from awsrun.local.functions.requests import Request
from awsrun.local.functions.roles import Roles
from awsrun.local.functions.service import Admitted, Functions
from awsrun.local.state import remove
from awsrun.local.work.environment import cores, free_gib
from awsrun.local.world import World


class Invocations:
    """Runs functions.

    Args:
        folder: for code and for what functions write; what is in it is of a server before this one.
        roles: what functions and their callers may do.
        strict: seconds here for one second of AWS; None where the cloud is not strict.
    """

    def __init__(
        self, world: World, functions: Functions, roles: Roles, folder: Path, strict: float | None = None
    ) -> None:
        self._world, self._functions, self._roles = world, functions, roles
        self._endpoint = ""
        remove(folder)
        self._folder = folder
        self._code = CodeStore(folder / "code")
        self._logs = Shipper(self._store)
        most = at_work()
        self._pool = Pool(self._make, most, starting=2 * cores())
        self._dispatcher = Dispatcher(world, functions, roles, self._run, strict, most)
        functions.changed = self._pool.forget

    def start(self, endpoint: str) -> None:
        """Begin.

        Args:
            endpoint: what functions find in AWS_ENDPOINT_URL.
        """
        self._endpoint = endpoint
        self._dispatcher.start()

    def stop(self) -> None:
        """End all environments; their logs are stored."""
        self._dispatcher.stop()
        self._pool.stop()
        self._logs.flush()

    def around(self, perform: Perform) -> Perform:
        """Calls that ``perform`` admits are carried out; all others are answered by it."""

        def answer(call: Call) -> Reply:
            reply = perform(call)
            return self._carried_out(reply) if isinstance(reply, Admitted) else reply

        return answer

    def invoke(self, arn: str, payload: bytes, *, caller: str = "", source_arn: str = "") -> Outcome:
        """Run a function for another service of the embedded cloud, and wait for it.

        To be called without the world's lock: functions call back into the cloud.

        Args:
            arn: of the function, with or without a version or an alias.
            payload: JSON, 6 MB at most; an empty one becomes ``{}``.
            caller: the service, such as ``apigateway.amazonaws.com``.  Where the cloud enforces IAM or is strict, the
                function's own policy (AddPermission) has to let it; without a caller nothing is asked.
            source_arn: what the service acts for, as ``aws:SourceArn`` in that policy
                (``arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH``).

        Returns:
            The handler's answer or its error as JSON (`Outcome.failed` tells which), and the end of the log.

        Raises:
            Refused: it was not run: there is no such function (ResourceNotFoundException), the caller may not
                (AccessDeniedException), it is still Pending (ResourceConflictException), too many run
                (TooManyRequestsException), the payload is none.
        """
        region, target = arn.split(":")[3], Target.read(arn)
        request = Request(region, target, "RequestResponse", requests.checked(payload, "RequestResponse"))
        with self._world.lock:
            definition = find(region, target)
            if self._functions.phase(region, target.name) == "Pending":
                raise pending()
            if caller:
                self._roles.check_caller(definition, target, caller, source_arn)
        return self._run(definition, Invocation(str(uuid.uuid4()), _named(definition, target), request.payload))

    def _carried_out(self, admitted: Admitted) -> Reply:
        """The answer to an Invoke call that waits."""
        try:
            outcome = self._run(admitted.definition, admitted.invocation)
        except Refused as refused:
            return refused.reply()
        headers = [*admitted.headers, ("Content-Type", "application/json"), ("X-Amz-Executed-Version", outcome.version)]
        if outcome.failed:
            headers.append(("X-Amz-Function-Error", "Unhandled"))
        if admitted.tail:
            headers.append(("X-Amz-Log-Result", base64.b64encode(outcome.log).decode()))
        return Reply(200, headers, outcome.payload, done=False)

    def _run(self, definition: Definition, invocation: Invocation) -> Outcome:
        """Run an invocation that was let through.

        Raises:
            Refused: too many run, or the machine cannot run it.
        """
        if definition.image:
            said = "the embedded cloud runs functions from zip files, not from images"
            raise Refused("InvalidRuntimeException", said, 502)
        if not definition.runtime.startswith("python"):
            said = f"the embedded cloud runs functions in Python, with its own interpreter, not in {definition.runtime}"
            raise Refused("InvalidRuntimeException", said, 502)
        try:
            return self._pool.run(definition, invocation)
        except OSError as error:
            raise Refused("ServiceException", f"the embedded cloud cannot start a process: {error}", 500) from error

    def _make(self, definition: Definition) -> ExecutionEnvironment:
        """A new environment for a function."""
        with self._world.lock:
            credentials = self._roles.credentials(definition)
        unique = uuid.uuid4().hex
        name, group = _stream(definition, unique), definition.log_group
        stream = Stream(definition.region, definition.name, group, name, definition.role, self._logs.ship)
        packages = (definition.code, *definition.layers)
        code, *layers = self._unpacked(packages)
        temporary = self._folder / "tmp" / unique[:8]
        temporary.mkdir(parents=True, mode=0o700)
        environ = variables.of(definition, name, self._endpoint, credentials, code, temporary)
        place = Place(code, variables.modules(code, layers), temporary, environ)
        return ExecutionEnvironment(definition, place, stream, lambda: self._released(packages))

    def _unpacked(self, packages: Sequence[Package]) -> list[Path]:
        found: list[Path] = []
        try:
            for package in packages:
                found.append(self._code.unpacked(package))
        except Refused:
            self._released(packages[: len(found)])
            raise
        return found

    def _released(self, packages: Sequence[Package]) -> None:
        for package in packages:
            self._code.release(package)

    def _store(self, stream: Stream, events: list[Event]) -> None:
        """Put events into the logs, as far as the function's role may; a function that is gone brings no group back."""
        group = f"arn:aws:logs:{stream.region}:{ACCOUNT}:log-group:{stream.group}:*"
        with self._world.lock:
            if not logs.exists(ACCOUNT, stream.region, stream.group) and not known(stream.region, stream.function):
                return
            if self._roles.may(stream.role, stream.region, "logs:PutLogEvents", group):
                event = ("logs", stream.region, stream.group, stream.name, events, stream.stored)
                self._world.happened(self._functions.name, event)


def at_work(environ: Mapping[str, str] = os.environ) -> int:
    """How many environments may be at work before others wait: one for each 128 MB of free memory, 8 to 100;
    ``AWSRUN_LOCAL_FUNCTIONS`` overrides."""
    given = environ.get("AWSRUN_LOCAL_FUNCTIONS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    return max(8, min(100, int(free_gib() * 8)))


def _named(definition: Definition, target: Target) -> str:
    return definition.arn + (f":{target.qualifier}" if target.qualifier else "")


def _stream(definition: Definition, unique: str) -> str:
    return f"{time.strftime('%Y/%m/%d', time.gmtime())}/[{definition.version}]{unique}"
