"""Runs accepted events: at once, again after errors, and settles them.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

from __future__ import annotations

import heapq
import json
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from awsrun.local.functions import deliveries
from awsrun.local.functions.definition import Definition, find
from awsrun.local.functions.deliveries import Delivery
from awsrun.local.functions.errors import Refused
from awsrun.local.functions.events import Event
from awsrun.local.functions.outcome import Invocation, Outcome
from awsrun.local.functions.roles import Roles
from awsrun.local.functions.service import Functions
from awsrun.local.world import World

BETWEEN = (60.0, 120.0)  # seconds of AWS before the second and the third time
LONGEST = 300.0  # seconds of AWS between two tries of what is throttled; the first is 1 s
SHORT = 1 / 120  # seconds here for one of AWS between tries, where the cloud is not strict: nobody waits minutes

Run = Callable[[Definition, Invocation], Outcome]


class Dispatcher:
    """A thread that knows what is due, and others that run it.

    Args:
        run: runs a function; may raise `Refused`.
        strict: seconds here for one second of AWS; None where the cloud is not strict.
        most: how many events are worked on at a time.
    """

    def __init__(
        self, world: World, functions: Functions, roles: Roles, run: Run, strict: float | None, most: int
    ) -> None:
        self._world, self._functions, self._roles, self._run_function = world, functions, roles, run
        self._pace = SHORT if strict is None else strict
        self._ages = 1.0 if strict is None else strict
        self._due: list[tuple[float, str]] = []
        self._lock = threading.Condition()
        self._stopping = False
        self._workers = ThreadPoolExecutor(most, thread_name_prefix="function event")
        self._thread = threading.Thread(target=self._watch, daemon=True, name="function events")

    def start(self) -> None:
        """Begin, with what a server before this one accepted and did not settle."""
        with self._world.lock:
            self._functions.accepted = self._add
            waiting = list(self._functions.events.waiting.values())
        for event in waiting:
            self._add(event)
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more; what is not settled stays for the next start."""
        with self._lock:
            self._stopping = True
            self._lock.notify_all()
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _add(self, event: Event) -> None:
        with self._lock:
            heapq.heappush(self._due, (event.due, event.id))
            self._lock.notify_all()

    def _watch(self) -> None:
        while True:
            with self._lock:
                while not self._stopping and (not self._due or self._due[0][0] > time.time()):
                    self._lock.wait(self._due[0][0] - time.time() if self._due else None)
                if self._stopping:
                    return
                _, identity = heapq.heappop(self._due)
                self._workers.submit(self._try, identity)

    def _try(self, identity: str) -> None:
        with self._world.lock:
            event = self._functions.events.waiting.get(identity)
        if event is None:
            return
        try:
            self._once(event)
        except Exception:  # no event may end the others
            traceback.print_exc()
            self._again(replace(event, throttled=event.throttled + 1))

    def _once(self, event: Event) -> None:
        """Run the function, and see what follows."""
        try:
            with self._world.lock:
                definition = find(event.region, event.target)
        except Refused:  # the function is gone, and its events with it
            self._settle(event, None, [])
            return
        if time.time() - event.accepted > definition.event_age * self._ages:
            self._over(definition, event, "EventAgeExceeded", None, 500, "The event was too old.")
            return
        try:
            outcome = self._run_function(definition, event.invocation)
        except Refused as refused:
            if self._stopping:
                return
            if definition.reserved == 0:
                self._over(definition, event, "RetriesExhausted", None, refused.status, refused.message)
            else:
                self._again(replace(event, throttled=event.throttled + 1))
            return
        if self._stopping and outcome.failed:
            return  # it was ended, and is tried again at the next start
        if not outcome.failed:
            self._over(definition, event, "Success", outcome, 200, "")
            return
        event = replace(event, failed=event.failed + 1, throttled=0)
        if event.failed > definition.retries:
            message = json.loads(outcome.payload).get("errorMessage") or ""
            self._over(definition, event, "RetriesExhausted", outcome, 200, str(message))
        else:
            self._again(event)

    def _again(self, event: Event) -> None:
        wait = min(2.0 ** (event.throttled - 1), LONGEST) if event.throttled else BETWEEN[event.failed - 1]
        due = time.time() + wait * self._pace
        self._world.happened(
            self._functions.name, ("again", event.region, event.id, event.failed, event.throttled, due)
        )
        self._add(replace(event, due=due))

    def _over(
        self,
        definition: Definition,
        event: Event,
        condition: str,
        outcome: Outcome | None,
        status: int,
        message: str,
    ) -> None:
        made = deliveries.record(definition, event, condition, outcome, time.time())
        if condition != "Success":
            made += deliveries.dead_letter(definition, event, status, message)
        self._settle(event, definition, made)

    def _settle(self, event: Event, definition: Definition | None, made: list[Delivery]) -> None:
        """The event is over; what becomes of it is sent in the same moment, as far as the function's role may."""
        with self._world.lock:
            sent = []
            for delivery in made:
                role = definition.role if definition is not None else ""
                if self._roles.may(role, event.region, "sqs:SendMessage", delivery.queue):
                    sent.append(delivery)
                else:
                    print(f"event {event.id}: {role} may not send to {delivery.queue}", flush=True)
            self._world.happened(self._functions.name, ("settled", event.region, event.id, time.time(), sent))
