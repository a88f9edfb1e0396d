"""Time, passed in: tests run hours of waiting in no time."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import Protocol

from awsrun.aws.clients import Cloud


class Clock(Protocol):
    """What the engine knows of time, in seconds."""

    def now(self) -> float:
        """Wall clock, since 1970."""

    def monotonic(self) -> float:
        """A clock that only goes forward."""

    def sleep(self, seconds: float) -> None:
        """Wait; less where the command is told to stop meanwhile."""


class SystemClock:
    """The machine's clock.  `wake` ends all sleeps, now and later."""

    def __init__(self) -> None:
        self._woken = threading.Event()

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        self._woken.wait(seconds)

    def wake(self) -> None:
        self._woken.set()


@dataclass(frozen=True)
class Timing:
    """How long things may take, in seconds.

    Attributes:
        first, most: the first pause between two looks at a resource, and the longest; each is 1.5 times the last.
        settle: how long lists and reads may not show yet what was just made.
        patience: how long a call is repeated that AWS refuses for now (propagation, throttling, no answer).
        visible: how long an accepted change may take to show: IAM and SQS take a minute, and at times longer
            (https://github.com/hashicorp/terraform-provider-aws/pull/41232).
        ready, gone: how long a resource may take to become ready, from the last sign that it goes on, and to be deleted
            (network interfaces of functions let go of a security group after 20 to 40 minutes).
        stuck: after how long a resource that never comes to rest is deleted all the same.
        lease: how long the lock is kept from others without a sign of life.
        renew: how often its holder gives one.
        margin: the end of the lease, in which no mutating call is begun: one that is on its way when the lease ends
            must have arrived before somebody else may start.
        pace: seconds here for one second between calls that AWS wants apart (`Kind.pace`).
    """

    first: float = 1.0
    most: float = 10.0
    settle: float = 120.0
    patience: float = 300.0
    visible: float = 180.0
    ready: float = 1800.0
    gone: float = 3000.0
    stuck: float = 120.0
    lease: float = 60.0
    renew: float = 15.0
    margin: float = 20.0
    pace: float = 1.0


AWS = Timing()
EMULATOR = Timing(
    first=0.05, most=2.0, settle=1.0, patience=120.0, visible=10.0, ready=600.0, gone=600.0, stuck=10.0, pace=0.0
)


def timing_of(cloud: Cloud) -> Timing:
    """AWS needs its time; an emulator answers at once and shows at once what it did; a strict one is AWS in quick."""
    scale = cloud.time_scale
    return scaled(scale) if scale else EMULATOR


def scaled(scale: float) -> Timing:
    """AWS's timing where a second takes ``scale`` seconds.  What only bounds a wait stays long enough for a slow
    machine: calls take their real time."""
    lease = max(12.0, AWS.lease * scale)
    return replace(
        AWS,
        first=max(0.02, AWS.first * scale),
        most=max(0.1, AWS.most * scale),
        settle=AWS.settle * scale,
        patience=max(60.0, AWS.patience * scale),
        visible=max(10.0, AWS.visible * scale),
        ready=max(120.0, AWS.ready * scale),
        gone=max(120.0, AWS.gone * scale),
        stuck=max(5.0, AWS.stuck * scale),
        lease=lease,
        renew=lease / 4,
        margin=lease / 3,
        pace=scale,
    )


class Pauses:
    """Growing pauses between looks at one resource; `reset` when something moved."""

    def __init__(self, clock: Clock, timing: Timing) -> None:
        self._clock, self._timing = clock, timing
        self._next = timing.first

    def reset(self) -> None:
        self._next = self._timing.first

    def pause(self) -> None:
        self._clock.sleep(self._next)
        self._next = min(self._next * 1.5, self._timing.most)
