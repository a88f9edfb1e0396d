"""Execution environments by function: which are idle, how many there may be, when they end.

As on AWS, an environment works on one event at a time, and what is idle is used before another is started.  Unlike
there, starts cost the user's own machine: only some happen at once, and a short wait for a busy environment is
preferred to one.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from awsrun.local.functions.definition import Definition
from awsrun.local.functions.errors import throttled
from awsrun.local.functions.execution import ExecutionEnvironment
from awsrun.local.functions.outcome import Invocation, Outcome

ACCOUNT = 1000  # running at a time (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)
BRIEF = 0.05  # seconds that an invocation waits for a busy environment of its function before another is started
PATIENCE = 1.0  # seconds without any change after which another is started although the machine is full: functions may
# wait for each other
IDLE = 300.0  # seconds after which an environment that does nothing ends
OLD = 7200.0  # seconds after which one ends anyway, between two invocations; its credentials last longer

Make = Callable[[Definition], ExecutionEnvironment]


@dataclass(frozen=True)
class _Idle:
    environment: ExecutionEnvironment
    since: float  # monotonic seconds


class Pool:
    """All execution environments of the machine.

    Args:
        make: makes one; may raise `errors.Refused`.
        most: how many may be at work before invocations wait for others to end, and how many may be idle.
        starting: how many may start at a time.
    """

    def __init__(self, make: Make, most: int, starting: int) -> None:
        self._make, self._most, self._starting = make, most, starting
        self._changed = threading.Condition()
        self._idle: dict[str, list[_Idle]] = {}
        self._busy: set[ExecutionEnvironment] = set()
        self._outdated: set[ExecutionEnvironment] = set()  # of the busy ones
        self._active: Counter[str] = Counter()  # invocations that have an environment or are making one, by key
        self._beginning = 0
        self._moved = 0.0  # monotonic seconds of the last change
        self._running: Counter[tuple[str, str]] = Counter()  # invocations, by function
        self._stopped = False
        threading.Thread(target=self._reap, daemon=True, name="function environments").start()

    def run(self, definition: Definition, invocation: Invocation) -> Outcome:
        """Run one invocation.

        Raises:
            Refused: too many run at a time, or there is no code to run.
            OSError: the machine has no process or file left for it.
        """
        function = definition.function
        with self._changed:
            if definition.reserved is not None and self._running[function] >= definition.reserved:
                raise throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
            if self._running.total() >= ACCOUNT:
                raise throttled("ConcurrentInvocationLimitExceeded")
            self._running[function] += 1
        try:
            found = self._idle_one(definition)
            return self._first(definition, invocation) if found is None else self._use(found, invocation)
        finally:
            with self._changed:
                self._running[function] -= 1
                if not self._running[function]:
                    del self._running[function]

    def forget(self, function: tuple[str, str]) -> None:
        """A function changed, or is gone: its environments end, those at work after their invocation."""
        with self._changed:
            self._outdated.update(one for one in self._busy if one.definition.function == function)
            for key, idle in list(self._idle.items()):
                if idle[0].environment.definition.function == function:
                    self._close(self._idle.pop(key))

    def stop(self) -> None:
        """End everything; whoever waits for an invocation gets an error."""
        with self._changed:
            self._stopped = True
            for environment in self._busy:
                environment.kill()
            idle = [one for some in self._idle.values() for one in some]
            self._idle.clear()
            self._changed.notify_all()
        for one in idle:
            one.environment.close()
        with self._changed:
            self._changed.wait_for(lambda: not self._busy, timeout=5.0)

    def _idle_one(self, definition: Definition) -> ExecutionEnvironment | None:
        """An idle environment, taken; None where a new one is to be made, which is then accounted for."""
        key, began = definition.key, time.monotonic()
        with self._changed:
            while True:
                while idle := self._idle.get(key):
                    one = idle.pop()  # the last used: the others may come to their end
                    if not idle:
                        del self._idle[key]
                    if one.environment.alive:
                        self._busy.add(one.environment)
                        self._active[key] += 1
                        return one.environment
                    self._close([one])
                wait = self._until(key, began) - time.monotonic()
                if wait <= 0 or self._stopped:
                    self._active[key] += 1
                    self._beginning += 1
                    self._moved = time.monotonic()
                    return None
                self._changed.wait(wait)

    def _until(self, key: str, began: float) -> float:
        """When an invocation that came at ``began`` need not wait for an environment any more."""
        if self._beginning >= self._starting or self._active.total() >= self._most:
            return self._moved + PATIENCE
        return began + BRIEF if self._active[key] else began

    def _first(self, definition: Definition, invocation: Invocation) -> Outcome:
        """Run an invocation in a new environment."""
        try:
            environment = self._make(definition)
        except BaseException:
            self._started()
            self._done(definition.key)
            raise
        with self._changed:
            self._busy.add(environment)
        return self._use(environment, invocation, self._started)

    def _started(self) -> None:
        with self._changed:
            self._beginning -= 1
            self._moved = time.monotonic()
            self._changed.notify_all()

    def _done(self, key: str) -> None:
        with self._changed:
            self._active[key] -= 1
            if not self._active[key]:
                del self._active[key]
            self._moved = time.monotonic()
            self._changed.notify_all()

    def _use(
        self, environment: ExecutionEnvironment, invocation: Invocation, started: Callable[[], None] = lambda: None
    ) -> Outcome:
        try:
            return environment.invoke(invocation, started)
        finally:
            self._give_back(environment)

    def _give_back(self, environment: ExecutionEnvironment) -> None:
        key = environment.definition.key
        with self._changed:
            if environment.alive and environment not in self._outdated and not self._stopped:
                self._idle.setdefault(key, []).append(_Idle(environment, time.monotonic()))
            else:
                self._close([_Idle(environment, 0.0)])
            self._outdated.discard(environment)
            self._busy.discard(environment)
            self._done(key)

    def _reap(self) -> None:
        """End what was idle for long, what is old, what died by itself, and what is too much."""
        while not self._stopped:
            time.sleep(1.0)
            with self._changed:
                spare = sum(map(len, self._idle.values())) - self._most
                for key, idle in list(self._idle.items()):
                    ended = [one for number, one in enumerate(idle) if number < spare or self._ended(one)]
                    spare -= len(ended)
                    self._idle[key] = [one for one in idle if one not in ended]
                    if not self._idle[key]:
                        del self._idle[key]
                    self._close(ended)

    def _ended(self, one: _Idle) -> bool:
        now = time.monotonic()
        return now - one.since > IDLE or now - one.environment.made > OLD or not one.environment.alive

    def _close(self, ended: list[_Idle]) -> None:
        """Close environments, without keeping anybody waiting."""
        for one in ended:
            threading.Thread(target=one.environment.close, daemon=True).start()
