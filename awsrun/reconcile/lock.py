"""The lock of a stack: a lease in its table, so that two applies never work on the same stack.

The holder renews it; who finds it held waits to see a sign of life, and takes it over when there is none.  A holder
that could not renew starts no more writes, so nobody ever needs to force an unlock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from awsrun.aws.errors import AwsrunError, matches, outcome
from awsrun.reconcile.calls import no_answer
from awsrun.reconcile.host import Holder, is_dead, myself
from awsrun.reconcile.progress import Event
from awsrun.reconcile.session import Session
from awsrun.reconcile.table import LOCK, StackTable

_KEY = {"pk": {"S": LOCK}}
_REFUSED = ("ConditionalCheckFailedException",)


class Lease:
    """``with Lease(session, table): ...`` holds the stack's lock, and gives its `check` to the session's calls.

    Args:
        unused: the table was made a moment ago, so that most likely nobody ever had the lock: it is taken without
            looking, on the condition that this is so.

    Attributes:
        first: nobody had it before, so that there is nothing in the table that is written under it.

    Raises:
        AwsrunError: on entering, where somebody alive holds it.
    """

    def __init__(
        self, session: Session, table: StackTable, me: Callable[[], Holder] = myself, unused: bool = False
    ) -> None:
        self._session, self._table, self._me, self._unused = session, table, me(), unused
        self.first = False
        self._clock, self._timing = session.clock, session.timing
        self._client = session.cloud.write("dynamodb")
        self._renewing = threading.Lock()
        self._over = threading.Event()
        self._renewed = 0.0
        self._thread = threading.Thread(target=self._keep, daemon=True, name="awsrun-lease")

    def __enter__(self) -> Lease:
        self._acquire()
        self._session.calls.gate = self.check
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._over.is_set():
            self.end()
            self._send({"released": {"BOOL": True}}, best_effort=True)

    def end(self) -> None:
        """Renew no more, and leave the lock as it is: the table itself is about to go."""
        self._over.set()
        self._thread.join()
        self._session.calls.gate = lambda: None

    def check(self) -> None:
        """Called before each mutating call: raises Halted where too little of the lease is left to start one."""
        if self._clock.monotonic() - self._renewed > self._timing.renew:
            self._renew()
        enough = self._timing.lease - self._timing.margin
        if self._clock.monotonic() - self._renewed > enough:
            self._lost(f"it could not be renewed for {enough:.0f} seconds")
        self._session.halt.check()

    # -- getting it ---------------------------------------------------------------------------------------------------

    def _acquire(self) -> None:
        last, since = "", 0.0
        while True:
            item = {} if self._unused else self._read()
            self._unused = False
            now = self._clock.monotonic()
            sign = f"{_text(item, 'id')} {_text(item, 'beat')}"
            holder = Holder.from_item({k: _text(item, k) for k in Holder.__dataclass_fields__}) if item else None
            if holder is None or holder.id == self._me.id or "released" in item or is_dead(holder):
                if self._take(item):
                    return
            elif holder.machine == self._me.machine or (last and sign != last):
                raise _refusal(self._table.stack, holder)
            elif not last:
                last, since = sign, now
            elif now - since >= self._timing.lease:
                if self._take(item):
                    return
                last = ""
            else:
                silent = f"no sign of life for {now - since:.0f} s"
                why = f"held by {holder}, who gave {silent}; it is mine after {self._timing.lease:.0f}"
                self._session.observer(Event(self._table.stack, "", "lock", "waiting", why))
                self._clock.sleep(min(5.0, self._timing.lease / 12))
            self._session.halt.check()

    def _read(self) -> dict[str, Any]:
        reader = self._session.cloud.read("dynamodb")
        answer = self._session.calls.read(
            lambda: reader.get_item(TableName=self._table.name, Key=_KEY, ConsistentRead=True), self._table.not_yet
        )
        return dict(answer.get("Item", {}))

    def _take(self, old: dict[str, Any]) -> bool:
        """Put my name there if it still says what I read; whether I have it now."""
        fence = int(_text(old, "fence") or 0) + 1
        item = {**_KEY, **{k: {"S": v} for k, v in self._me.to_item().items()}}
        item |= {"fence": {"N": str(fence)}, "beat": {"N": "0"}}
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        if old:
            names = {"#id": "id", "#beat": "beat"}
            values = {":id": old["id"], ":beat": old["beat"]}
            condition = {
                "ConditionExpression": "#id = :id AND #beat = :beat",
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": values,
            }
        started = self._clock.monotonic()
        try:
            self._client.put_item(TableName=self._table.name, Item=item, **condition)
        except Exception as error:
            if outcome(error) == "throttled" or self._table.not_yet(error):
                self._clock.sleep(self._timing.first)
                return False
            if not (matches(error, _REFUSED) or no_answer(error)):
                raise
            if _text(self._read(), "id") != self._me.id:  # it may have arrived although the answer did not
                return False
        self._renewed = started
        self.first = not old
        return True

    # -- keeping it ---------------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        while not self._over.wait(self._timing.renew):
            self._renew()

    def _renew(self) -> None:
        with self._renewing:
            started = self._clock.monotonic()
            if started - self._renewed > self._timing.renew / 2 and self._send({}):
                self._renewed = started

    def _send(self, changes: dict[str, Any], best_effort: bool = False) -> bool:
        """Beat once more, if it is mine; whether it arrived for sure."""
        sets = "".join(f", {name} = :{name}" for name in changes)
        try:
            self._client.update_item(
                TableName=self._table.name,
                Key=_KEY,
                UpdateExpression=f"SET beat = beat + :one{sets}",
                ConditionExpression="id = :me",
                ExpressionAttributeValues={
                    ":one": {"N": "1"},
                    ":me": {"S": self._me.id},
                    **{f":{name}": value for name, value in changes.items()},
                },
            )
        except Exception as error:  # whatever it was: without a renewal the lease ends, which `check` sees
            if matches(error, _REFUSED) and not best_effort:
                self._lost("somebody else has it", stop=False)
            return False
        return True

    def _lost(self, why: str, stop: bool = True) -> None:
        stack = self._table.stack
        hint = "run the same again: it goes on from what is there"
        self._session.halt.stop(
            AwsrunError(f"lost the lock of stack {stack!r}, so nothing more was changed", why, hint)
        )
        if stop:
            self._session.halt.check()


def _text(item: dict[str, Any], key: str) -> str:
    return str(next(iter(item.get(key, {"S": ""}).values())))


def _refusal(stack: str, holder: Holder) -> AwsrunError:
    return AwsrunError(
        f"stack {stack!r} is being changed by {holder}",
        "one command at a time may change a stack",
        "wait until it is done, or stop it there; if its process is dead, this command takes over by itself",
    )
