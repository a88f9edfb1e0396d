"""What strict rules remember: what does not show yet, which states last, and what is still to happen.

Everything hangs on `clock.now()`, which the journal replays, so that a restart changes nothing.
"""

from __future__ import annotations

import hashlib
import heapq
from dataclasses import dataclass, field
from typing import Any

from awsrun.local import clock

Key = tuple[str, ...]  # service, region, and what it is: ("ec2", "us-east-1", "vpc-1")


@dataclass(order=True)
class Due:
    """Something that is to happen at ``at`` (POSIX seconds): ``event`` of ``service``, with ``arguments``."""

    at: float
    number: int
    service: str = field(compare=False)
    event: str = field(compare=False)
    arguments: tuple[Any, ...] = field(compare=False)


@dataclass
class Ledger:
    """The memory of all rules; picklable.

    Attributes:
        scale: seconds here for one second of AWS.
    """

    scale: float = 1.0
    _known: dict[Key, float] = field(default_factory=dict)
    _listed: dict[Key, float] = field(default_factory=dict)
    _phases: dict[Key, tuple[str, float]] = field(default_factory=dict)
    _due: list[Due] = field(default_factory=list)
    _count: int = 0

    # -- what was made a moment ago ------------------------------------------------------------------------------------

    def made(self, key: Key, known: float, listed: float) -> None:
        """``key`` was made now: calls that name it find it only after up to ``known`` seconds of AWS, lists show it
        after up to ``listed``.  How long it really takes follows from the key, so that every run is the same."""
        now = clock.now()
        self._known[key] = now + self.lag(key, known) * self.scale
        self._listed[key] = now + self.lag(key, listed) * self.scale

    def unknown(self, key: Key) -> bool:
        """Whether calls that name it do not find it yet."""
        return self._not_yet(self._known, key)

    def unlisted(self, key: Key) -> bool:
        """Whether lists do not show it yet."""
        return self._not_yet(self._listed, key)

    def unknown_of(self, service: str, region: str) -> set[str]:
        """The last parts of all keys of a service that calls do not find yet."""
        return {key[-1] for key in list(self._known) if key[:2] == (service, region) and self.unknown(key)}

    def unlisted_of(self, service: str, region: str) -> set[str]:
        """The last parts of all keys of a service that lists do not show yet."""
        return {key[-1] for key in list(self._listed) if key[:2] == (service, region) and self.unlisted(key)}

    def lag(self, key: Key, most: float) -> float:
        """Between a fifth and all of ``most``; always the same for a key."""
        draw = int.from_bytes(hashlib.blake2b("\0".join(key).encode(), digest_size=4).digest(), "big") / 2**32
        return (0.2 + 0.8 * draw) * most

    def _not_yet(self, times: dict[Key, float], key: Key) -> bool:
        until = times.get(key)
        if until is None:
            return False
        if until <= clock.now():
            del times[key]
            return False
        return True

    # -- states that last ----------------------------------------------------------------------------------------------

    def enter(self, key: Key, phase: str, seconds: float) -> None:
        """``key`` is in ``phase`` for so many seconds of AWS from now."""
        self._phases[key] = (phase, clock.now() + seconds * self.scale)

    def phase(self, key: Key) -> str:
        """The phase that ``key`` is in; empty once it is over."""
        phase, until = self._phases.get(key, ("", 0.0))
        if phase and until <= clock.now():
            del self._phases[key]
            return ""
        return phase

    def in_phase(self, service: str, region: str, mark: str) -> set[str]:
        """The names of what is in a phase now under a key ``(service, region, NAME, mark)``."""
        keys = [key for key in self._phases if key[:2] == (service, region) and key[3:] == (mark,)]
        return {key[2] for key in keys if self.phase(key)}

    def leave(self, key: Key) -> None:
        """The phase is over before its time."""
        self._phases.pop(key, None)

    # -- what is to happen ---------------------------------------------------------------------------------------------

    def later(self, seconds: float, service: str, event: str, *arguments: Any) -> None:
        """The rules of ``service`` are told of ``event`` in so many seconds of AWS."""
        self._count += 1
        heapq.heappush(self._due, Due(clock.now() + seconds * self.scale, self._count, service, event, arguments))

    def due(self, all_of_it: bool = False) -> Due | None:
        """The next thing whose time has come, taken off; None where there is none."""
        if self._due and (all_of_it or self._due[0].at <= clock.now()):
            return heapq.heappop(self._due)
        return None
