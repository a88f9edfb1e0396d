"""What a job's function is given: its randomness, a place for artifacts, reports, and state that survives a loss.

>>> def train(trial: awsrun.Trial, lr: float = 0.01, epochs: int = 5) -> dict[str, float]:
...     model, opt = ...
...     trial.keep(model=model, opt=opt)     # whatever has state_dict(); restored here after a loss
...     for epoch in trial.range(epochs):    # goes on where it stopped
...         ...
...         trial.report(loss=loss)          # report, checkpoint, maybe stop: one step
...     return {"loss": loss}
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from awsrun.worker.job import checkpoint, randomness
from awsrun.worker.protocol.records import LARGEST_REPORT, better, dump, number
from awsrun.worker.protocol.rungs import Halving

SHARE, FREE = 0.1, 2.0
"""The best state is written as often as a trial gets better, as long as that takes no more than this share of its time,
or so many seconds."""


class Stop(BaseException):
    """Ends a trial from within ``report``; not an Exception, so that no ``except Exception`` of a job swallows it."""


class Channel(Protocol):
    """How a trial talks to whoever runs it."""

    def send(self, message: Mapping[str, Any]) -> None:
        """Pass a message on, at once."""

    def stopping(self) -> bool:
        """Whether the trial should checkpoint and stop."""

    def told_to_stop(self) -> bool:
        """Wait for the answer to a question, at a rung: whether the trial should stop there."""


class Stateful(Protocol):
    """What ``keep`` takes: torch modules, optimizers, schedulers, or anything alike."""

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state: Any) -> Any: ...


class Trial:
    """One set of parameters, being run.

    Attributes:
        n: the trial's number in the run.
        attempt: which start of it this is, from 1.
        params: its parameters; the function gets them as arguments too.
        seed: in [0, 2**32), a function of the run's seed and n; random, numpy and torch are seeded with it.
        dir: whatever is left here is kept as the trial's artifacts; it comes back with a checkpoint, as it was then.
    """

    def __init__(
        self,
        n: int,
        params: Mapping[str, Any],
        seed: int,
        dir: Path,
        channel: Channel,
        attempt: int = 1,
        every: float = math.inf,
        scratch: Path | None = None,
        restored: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        halving: Halving | None = None,
        passed: int = 0,
        metric: str = "",
        mode: str = "max",
        kept: frozenset[str] = frozenset(),
    ) -> None:
        self.n, self.attempt, self.params, self.seed, self.dir = n, attempt, dict(params), seed, dir
        self._channel, self._every, self._scratch, self._clock = channel, every, scratch, clock
        self._halving, self._passed = halving, passed
        self._metric, self._mode, self._wanted = metric, mode, kept
        self._kept: dict[str, Stateful] = {}
        self._saved: dict[str, Any] | None = None
        self._found: dict[str, Any] = _read(restored, dir) if restored else {}
        self._reports: int = self._found.get("reports", 0)
        self._metrics: dict[str, Any] = self._found.get("metrics", {})
        self._loop: int = self._found.get("loop", 0)
        self._looping = self._last = False
        self._paused_at = 0
        self._best: Mapping[str, Any] | None = self._found.get("best")
        self._top: float | None = self._found.get("top")  # the best value reported, with a checkpoint or without
        self._reporting = False
        self._born = self._written = clock()
        self._spent = 0.0  # seconds, on writing what is only the best
        self._covers = (self._reports, self._loop)
        self._count = 0
        self._said = False
        if self._found:
            channel.send({"type": "restored", "step": self._reports, "best": self._best, "top": self._top})

    def keep(self, **objects: Stateful) -> None:
        """Checkpoint these objects from now on; after a loss, load their states back, here and now.

        Raises:
            TypeError: an object has no ``state_dict`` and ``load_state_dict``.
        """
        for name, thing in objects.items():
            if not (hasattr(thing, "state_dict") and hasattr(thing, "load_state_dict")):
                raise TypeError(f"keep({name}=...): a {type(thing).__name__} has no state_dict and load_state_dict")
            self._kept[name] = thing
            states = self._found.get("kept", {})
            if name in states:
                thing.load_state_dict(states.pop(name))

    def range(self, stop: int) -> Iterator[int]:
        """0, 1, ..., stop - 1; after a loss it goes on behind the last checkpoint.

        ``report`` (once, at the end) in the body says that the iteration is complete; without it, its end does.
        """
        if "random" in self._found:
            randomness.restore(self._found.pop("random"))
        first = self._loop
        if first and (rung := self._rung) is not None:  # lost while it waited for the answer
            self._compare(rung)
        self._looping = True
        for i in range(first, stop):
            self._loop, self._last = i + 1, i + 1 == stop
            yield i
            if self._saved is not None or self._paused_at != self._loop:
                self._pause()
        self._looping = self._last = False

    def report(self, **metrics: float) -> None:
        """Say how the trial does at this step; checkpoint if it is time to; stop if that is wanted.

        Raises:
            TypeError: a metric is neither a number nor a string.
            ValueError: they are too long.
            Stop: the trial should end here.
        """
        values = {name: plain(value, f"report({name}=...)") for name, value in metrics.items()}
        if len(dump(values)) > LARGEST_REPORT:
            raise ValueError(f"report() takes {LARGEST_REPORT:,} bytes: leave more in a file below trial.dir")
        now_ms = time.time_ns() // 1_000_000
        self._channel.send({"type": "report", "step": self._reports, "metrics": values, "at_ms": now_ms})
        self._reports += 1
        self._metrics, self._reporting = values, True
        if better(self._mode, value := number(values.get(self._metric)), self._top):
            self._top = value
        rung = None if self._last else self._rung
        if rung is None:
            self._pause()
        else:
            self._compare(rung)
        self._reporting = False

    def save(self, state: Mapping[str, Any]) -> None:
        """Checkpoint plain values, arrays and tensors; :meth:`restore` gives them back after a loss."""
        self._saved = dict(state)
        if not self._looping:
            self._pause()

    def restore(self) -> dict[str, Any] | None:
        """What was last saved before a loss, or None at a first start."""
        found: dict[str, Any] | None = self._found.get("saved")
        return found

    def conclude(self) -> None:
        """Once the function has returned: leave a checkpoint of how it ended, if that is wanted and not there yet."""
        if "last" not in self._wanted or not self._keeps or self._covers == (self._reports, self._loop):
            return
        try:
            self._checkpoint()
        except (TypeError, OSError) as error:  # the result is worth more
            print(f"no checkpoint of how it ended: {error}", flush=True)

    def _compare(self, rung: int) -> None:
        """Checkpoint, and stop unless this trial is among the best that have come so far."""
        if self._keeps:
            self._checkpoint()
        self._passed = rung + 1
        self._channel.send({"type": "rung", "rung": rung, "step": self._reports, "metrics": self._metrics})
        if self._channel.told_to_stop():
            raise Stop

    @property
    def _rung(self) -> int | None:
        """The rung where it is and has not been let past."""
        rung = self._halving.rung(self._reports) if self._halving else None
        return None if rung is None or rung < self._passed else rung

    @property
    def _keeps(self) -> bool:
        return bool(self._kept) or self._saved is not None

    def _pause(self) -> None:
        """Between two steps: checkpoint if it is due or wanted, stop if wanted."""
        self._paused_at = self._loop
        stopping = self._channel.stopping()
        if (stopping or self._clock() - self._written >= self._every) and self._keeps:
            self._checkpoint()
        elif self._improved and self._keeps and self._spent <= max(FREE, SHARE * (self._clock() - self._born)):
            self._checkpoint(last=False)
        if stopping:
            raise Stop

    @property
    def _improved(self) -> bool:
        """What is being reported is better than what the best checkpoint holds."""
        if "best" not in self._wanted or not self._reporting:
            return False
        value = number(self._metrics.get(self._metric))
        return better(self._mode, value, self._best["value"] if self._best else None)

    def _checkpoint(self, last: bool = True) -> None:
        """Write one, to go on from (``last``); also as the best so far, if it is."""
        if self._scratch is None:
            return
        began, best = self._clock(), None
        if self._improved:
            value = number(self._metrics[self._metric])
            best = {"attempt": self.attempt, "step": self._reports, "value": value}
        state = {
            "reports": self._reports,
            "metrics": self._metrics,
            "loop": self._loop,
            "kept": {name: thing.state_dict() for name, thing in self._kept.items()},
            "saved": self._saved,
            "random": randomness.state(),
            "best": best or self._best,
            "top": self._top,
        }
        path = self._scratch / f"{self._count}.ckpt"
        self._count += 1
        self._written = began if last else self._written
        try:
            without = checkpoint.write(path, state, self.dir if last else None)
        except (OSError, RuntimeError) as error:  # torch's, too, of a full disk: the trial is worth more
            print(f"awsrun: no checkpoint could be written: {error}", flush=True)
            path.with_suffix(".part").unlink(missing_ok=True)
            self._spent += self._clock() - began
            return
        if without and not self._said:
            print(f"awsrun: {without} in trial.dir are too much for checkpoints: a loss would lose them", flush=True)
            self._said = True
        self._best = best or self._best
        about = {"attempt": self.attempt, "step": self._reports}
        said = {"type": "checkpoint", "path": str(path), "last": about if last else None, "best": best}
        self._channel.send({**said, "step": self._reports})
        self._covers, now = (self._reports, self._loop), self._clock()
        if last:
            self._written = now
        else:
            self._spent += now - began


def _read(path: Path, folder: Path) -> dict[str, Any]:
    """A checkpoint, its files put below ``folder``; nothing where it cannot be read, which is no fault of the job's: it
    starts anew."""
    try:
        found: dict[str, Any] = checkpoint.read(path)
        checkpoint.unpack(path, folder)
    except Exception as error:
        print(f"awsrun: the checkpoint cannot be read, the trial starts anew: {type(error).__name__}: {error}")
        shutil.rmtree(folder)
        folder.mkdir()
        return {}
    return found


def plain(value: Any, where: str) -> Any:
    """A value as JSON has it: numbers of numpy and torch become Python's.

    Raises:
        TypeError: it is something else; the message says where.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, where) for item in value]
    if (hasattr(value, "item") and getattr(value, "size", 1) == 1) or callable(getattr(value, "numel", None)):
        return plain(value.item(), where)
    raise TypeError(f"{where}: a {type(value).__qualname__} is not a number, text, list or dictionary")
