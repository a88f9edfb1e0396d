"""The whole state of moto and of our own services as one pickle, written and read by this user alone.

Everything goes into one pickle because backends point into one another.  What cannot be pickled and holds no state
(locks, the dictionaries that moto keeps its backends in) is written as a recipe.
"""

from __future__ import annotations

import copyreg
import gc
import importlib
import io
import marshal
import pickle
import sys
import threading
from collections import defaultdict
from pathlib import Path
from types import CellType, FunctionType
from typing import Any
from weakref import WeakValueDictionary

from awsrun.local.blobs import Blobs, Value

FORMAT = 1
_LOCKS = {type(threading.Lock()): threading.Lock, type(threading.RLock()): threading.RLock}


class _Writer(pickle.Pickler):
    """Quick: what needs a recipe is known by its type alone, and nothing is asked of the other objects."""

    def __init__(self, file: Any) -> None:
        super().__init__(file, protocol=5)
        from moto.core.base_backend import AccountSpecificBackend, BackendDict

        self.blobs: set[str] = set()
        self.dispatch_table = {
            **copyreg.dispatch_table,
            **{kind: _recipe(make) for kind, make in _LOCKS.items()},
            **dict.fromkeys((BackendDict, *BackendDict.__subclasses__()), _reduce_backends),
            **dict.fromkeys(defaultdict.__subclasses__(), _reduce_defaultdict),
            WeakValueDictionary: lambda value: (WeakValueDictionary, (), None, None, iter(list(value.items()))),
            AccountSpecificBackend: lambda value: (_account, (value.service_name, value.account_id)),
            Value: self._reduce_value,
            **dict.fromkeys(_kinds_of_keys(), _reduce_key),
        }

    def _reduce_value(self, value: Value) -> Any:
        name, small = value.__getstate__()
        if name is not None:
            self.blobs.add(name)
        return _value, (name, small)


class _ThoroughWriter(_Writer):
    """Takes lambdas and inner functions too, which some services keep; asking every object is ten times slower."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is FunctionType and "<" in value.__qualname__:
            closure = tuple(cell.cell_contents for cell in value.__closure__ or ())
            return _function, (marshal.dumps(value.__code__), value.__module__, value.__defaults__, closure)
        return NotImplemented


class _Reader(pickle.Unpickler):
    def __init__(self, file: Any, blobs: Blobs) -> None:
        super().__init__(file)
        self._blobs = blobs

    def find_class(self, module: str, name: str) -> Any:
        return self._value if (module, name) == (__name__, _value.__name__) else super().find_class(module, name)

    def _value(self, name: str | None, small: bytes) -> Value:
        value = Value(self._blobs)
        value.name, value._small = name, small
        return value


def _value(name: str | None, small: bytes) -> Value:
    """Named in snapshots; the reader puts its own in place, which knows the folder of the blobs."""
    raise NotImplementedError


def _recipe(make: Any) -> Any:
    return lambda value: (make, ())


def _reduce_backends(value: Any) -> Any:
    return _backends, (value.service_name,)


def _reduce_defaultdict(value: Any) -> Any:
    return _defaultdict, (type(value), value.default_factory), value.__dict__, None, iter(value.items())


def _kinds_of_keys() -> tuple[Any, ...]:
    """Those of KMS, once moto has loaded it: EC2 has one as soon as a disk is encrypted."""
    kms = sys.modules.get("moto.kms.utils")
    return (kms.RSAPrivateKey, kms.ECDSAPrivateKey) if kms else ()


def _reduce_key(value: Any) -> Any:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem = value.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return _key, (type(value), {name: one for name, one in vars(value).items() if name != "private_key"}, pem)


def _key(kind: Any, others: dict[str, Any], pem: bytes) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    made = kind.__new__(kind)
    vars(made).update(others, private_key=load_pem_private_key(pem, None))
    return made


def _backends(service: str) -> Any:
    from moto.backends import get_backend

    return get_backend(service)


def _account(service: str, account: str) -> Any:
    return _backends(service)[account]


def _defaultdict(kind: type[Any], factory: Any) -> Any:
    """A subclass, whose own ``__init__`` may want more than pickle would give it."""
    made = defaultdict.__new__(kind)
    defaultdict.__init__(made, factory)
    return made


def _function(code: bytes, module: str, defaults: Any, closure: tuple[Any, ...]) -> Any:
    """A lambda or an inner function: moto has some as default factories of what it keeps."""
    found = marshal.loads(code)
    namespace = vars(importlib.import_module(module))
    return FunctionType(found, namespace, found.co_name, defaults, tuple(CellType(value) for value in closure))


def dump(extras: dict[str, Any], blobs: Blobs) -> tuple[bytes, set[str]]:
    """The state as bytes, and the blobs it names.  Call it with the world's lock held, or in a forked child.

    It is read back at once: what can be written but not read must not take the place of a journal.

    Raises:
        Exception: whatever pickle raises when some service of moto holds what it cannot take.
    """
    from moto.core.base_backend import BackendDict

    moto = {
        known.service_name: {account: dict(regions) for account, regions in known.items()}
        for known in BackendDict._instances
    }
    state = {"format": FORMAT, "python": sys.version_info[:2], "moto": moto, "extras": extras}
    gc.disable()  # as in `load`
    try:
        return _dump(state, _Writer, blobs)
    except (pickle.PicklingError, AttributeError, TypeError):
        return _dump(state, _ThoroughWriter, blobs)
    finally:
        gc.enable()


def _dump(state: Any, kind: type[_Writer], blobs: Blobs) -> tuple[bytes, set[str]]:
    file = io.BytesIO()
    writer = kind(file)
    writer.dump(state)
    file.seek(0)
    _Reader(file, blobs).load()
    return file.getvalue(), writer.blobs


def load(path: Path, blobs: Blobs) -> dict[str, Any]:
    """Put the state of ``path`` in place; returns the extras it was written with."""
    gc.disable()  # nothing of what is made here is garbage: the collector would only walk it again and again
    try:
        with path.open("rb") as file:
            found: dict[str, Any] = _Reader(file, blobs).load()
    finally:
        gc.enable()
    for service, accounts in found["moto"].items():
        for account, regions in accounts.items():
            kept = _account(service, account)
            for region, backend in regions.items():
                kept[region] = backend
                _register(service, account, region, backend)
    gc.freeze()
    extras: dict[str, Any] = found["extras"]
    return extras


def _register(service: str, account: str, region: str, backend: Any) -> None:
    """What moto keeps outside of the backends: who has which bucket, and the number of the last log event."""
    if service == "s3":
        for name in backend.buckets:
            _backends(service).bucket_accounts[name] = (region, account)
    if service == "logs":
        from moto.logs.models import LogEvent

        for group in backend.groups.values():
            for stream in group.streams.values():
                last = stream.events[-1].event_id if stream.events else -1
                LogEvent._event_id = max(LogEvent._event_id, last + 1)
