"""One clock and one source of randomness for everything moto does, so that a replayed request has the same effect.

While a request is carried out (under the world's lock) time stands still and moto's random generator is seeded; the
journal keeps both.  Replayed with them, a request makes the same ids, ETags and timestamps again.
"""

from __future__ import annotations

import datetime as real_datetime
import os as real_os
import time as real_time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_frozen: list[float] = []  # a stack: making a backend in the middle of a request has a moment of its own


def now() -> float:
    """POSIX seconds: the moment of the request that is carried out, else the real time."""
    return _frozen[-1] if _frozen else real_time.time()


@contextmanager
def moment(seconds: float, seed: str) -> Iterator[None]:
    """Time stands at ``seconds`` and moto draws from ``seed``; what it drew from before goes on afterwards."""
    from moto.moto_api._internal import mock_random

    before = mock_random.getstate() if _frozen else None
    _frozen.append(seconds)
    mock_random.seed(seed)
    try:
        yield
    finally:
        _frozen.pop()
        if before is not None:
            mock_random.setstate(before)


def urandom(size: int) -> bytes:
    """Random bytes: those of the request that is carried out, else the system's.  S3 makes the ids of multipart uploads
    of them, which later requests name."""
    if not _frozen:
        return real_os.urandom(size)
    from moto.moto_api._internal import mock_random

    drawn: bytes = mock_random.randbytes(size)
    return drawn


class _DatetimeMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, real_datetime.datetime)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, real_datetime.datetime)


class Datetime(real_datetime.datetime, metaclass=_DatetimeMeta):
    """Stands for ``datetime.datetime`` inside moto: makes plain datetimes, and takes the time from `now`."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return real_datetime.datetime(*args, **kwargs)

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return real_datetime.datetime.fromtimestamp(now(), tz)

    @classmethod
    def today(cls) -> Any:
        return real_datetime.datetime.fromtimestamp(now())

    @classmethod
    def utcnow(cls) -> Any:
        return real_datetime.datetime.fromtimestamp(now(), real_datetime.timezone.utc).replace(tzinfo=None)


class _Stand(ModuleType):
    """A module whose few replaced names come first, and everything else from the real one."""

    def __init__(self, real: ModuleType, **replaced: Any) -> None:
        super().__init__(real.__name__)
        self.__dict__.update(replaced, _real=real)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_real"], name)


_STANDS: dict[int, Any] = {
    id(real_datetime): _Stand(real_datetime, datetime=Datetime),
    id(real_datetime.datetime): Datetime,
    id(real_os): _Stand(real_os, urandom=urandom),
    id(real_time): _Stand(real_time, time=now),
    id(real_time.time): now,
}


def install(module: ModuleType) -> None:
    """Make a freshly imported module of moto read this clock, and draw from its randomness."""
    for name, value in list(vars(module).items()):
        stand = _STANDS.get(id(value))
        if stand is not None:
            setattr(module, name, stand)
