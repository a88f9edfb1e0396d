"""One attempt of a trial as the supervisor sees it: its pipes, what it has said so far, and how it ended."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from awsrun.worker.job import wire
from awsrun.worker.job.failures import died
from awsrun.worker.nursery import Zygote
from awsrun.worker.protocol.records import Report, Run, Standing, TrialRecord, better, number
from awsrun.worker.protocol.space import trial_seed

TAIL = 2000
"""Characters of output that are kept with a failure that left no traceback."""

AT_ONCE, ALL = 1 << 18, 4 << 20
"""Bytes: so many that a job which never stops talking holds nothing up; more than any pipe holds (pipe(7))."""


AGAIN = 0.5
"""Seconds between two kills: the process may not have been known at the first, or be held by the kernel."""


@dataclass(frozen=True)
class Claimed:
    """A trial that is this worker's, ready to start.

    Attributes:
        folder: a new one, for all of the attempt's files.
        restored: the checkpoint that it goes on from, or None.
        lines: the block of inputs that it takes, as JSONL, or None.
    """

    record: TrialRecord
    folder: Path
    restored: Path | None = None
    lines: Path | None = None

    @property
    def artifacts(self) -> Path:
        return self.folder / "out"

    def discard(self) -> None:
        """Remove the attempt's files."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Attempt:
    """Runs a claimed trial in a zygote.

    Attributes:
        reports: not yet written to the table.
        kept: kind of checkpoint (``last``, ``best``) -> what is known of the one that is stored.
        deadline, grace: on the monotonic clock, when it is killed for taking too long, or for not stopping, or killed
            again; 0 is never.
        why: why it was ended from outside: ``timeout``, ``cancelled``, ``released``, ``paused``, ``lost``, or empty.
        asks: where it stands at a rung, waiting to be told whether it goes on; None while it does not ask.
    """

    def __init__(self, run: Run, claimed: Claimed, zygote: Zygote) -> None:
        self.claimed, self.zygote, self._run = claimed, zygote, run
        self.record = replace(claimed.record, started_ms=time.time_ns() // 1_000_000)
        self.began = time.monotonic()
        self.deadline = self.began + run.limits.timeout if run.limits.timeout else 0.0
        self.grace = 0.0
        self.why = ""
        self.reports: list[Report] = []
        self.checkpointed = claimed.restored is not None
        self.asks: Standing | None = None
        self._passed = claimed.record.rung
        self._stood: Standing | None = None
        self._metrics: Mapping[str, Any] = {}
        self._said: Mapping[str, Any] = {}
        self._best: float | None = None
        self._steps = 0
        self._moved = False
        self._tail = ""
        self.kept: dict[str, Mapping[str, Any]] = {}
        self._files: dict[str, tuple[Path, Mapping[str, Any]]] = {}
        self._heard, self._printed = wire.Lines(1 << 30), wire.Lines(1 << 16)
        self.messages, theirs_messages = os.pipe()
        theirs_orders, self._orders = os.pipe()
        self.output, theirs_output = os.pipe()
        for fd in (self.messages, self.output):
            os.set_blocking(fd, False)
        zygote.begin(self._spec(), (theirs_messages, theirs_orders, theirs_output))
        for fd in (theirs_messages, theirs_orders, theirs_output):
            os.close(fd)

    @property
    def name(self) -> str:
        return f"t{self.record.n}.{self.record.attempt}"

    def _spec(self) -> dict[str, Any]:
        claimed, record = self.claimed, self.claimed.record
        claimed.artifacts.mkdir()
        return {
            "n": record.n,
            "attempt": record.attempt,
            "params": dict(record.params),
            "seed": trial_seed(self._run.seed, record.n),
            "dir": str(claimed.artifacts),
            "scratch": str(claimed.folder),
            "every": self._run.limits.checkpoint,
            "restored": str(claimed.restored or ""),
            "lines": str(claimed.lines or ""),
            "eta": self._run.limits.eta,
            "least": self._run.limits.least,
            "passed": record.rung,
            "metric": self._run.metric,
            "mode": self._run.mode,
            "kept": sorted(self._run.limits.kinds),
        }

    def hear(self, most: int = AT_ONCE) -> bool:
        """Take the messages that are there, about ``most`` bytes of them; True when no more can come."""
        data, closed = wire.drain(self.messages, most)
        for line in self._heard.feed(data):
            try:
                message = json.loads(line)
            except ValueError:
                print(f"[{self.name}] awsrun: two processes of the job reported at once; that is lost", flush=True)
                continue
            self._moved = self._moved or message["type"] in ("report", "checkpoint")
            if message["type"] == "report":
                self._report(message)
            elif message["type"] == "checkpoint":
                self._take_checkpoint(message)
            elif message["type"] == "restored":
                self._restored(message)
            elif message["type"] == "rung":
                self._ask(message)
            else:
                self._said = message
        return closed

    def _take_checkpoint(self, message: Mapping[str, Any]) -> None:
        """A new file, which is the last state, the best one, or both; it replaces one that was not uploaded yet."""
        path = Path(message["path"])
        try:
            for kind in ("last", "best"):
                if about := message[kind]:
                    old = self._files.pop(kind, None)
                    if old is not None:
                        old[0].unlink(missing_ok=True)
                    os.link(path, path.with_suffix(f".{kind}"))
                    self._files[kind] = path.with_suffix(f".{kind}"), about
            path.unlink()
        except OSError as error:  # the job has deleted it, or the disk is full
            print(f"[{self.name}] awsrun: checkpoint not kept: {error}", flush=True)

    def _restored(self, message: Mapping[str, Any]) -> None:
        """It goes on from a checkpoint: what that knows of itself and of the best."""
        assert self.claimed.restored is not None
        self._steps, self._best = message["step"], message["top"]
        self.kept["last"] = {"attempt": int(self.claimed.restored.name.partition("-")[2]), "step": message["step"]}
        if message["best"]:
            self.kept["best"] = message["best"]

    def _ask(self, message: Mapping[str, Any]) -> None:
        """The trial waits at a rung; without the metric there is nothing to compare, and it goes on."""
        self._steps, self._metrics = message["step"], message["metrics"]
        value = number(self._metrics.get(self._run.metric))
        if value is None:
            print(f"[{self.name}] awsrun: not compared: no {self._run.metric} among what it reported", flush=True)
            self._order(b"g")
        else:
            self.asks = Standing(message["rung"], self.record.n, self.record.attempt, value)

    def _report(self, message: Mapping[str, Any]) -> None:
        record, metrics = self.record, message["metrics"]
        self.reports.append(Report(record.n, record.attempt, message["step"], metrics, message["at_ms"]))
        self._steps = message["step"] + 1
        value = number(metrics.get(self._run.metric))
        if better(self._run.mode, value, self._best):
            self._best = value

    def show(self, most: int = AT_ONCE) -> bool:
        """Print the output that is there, each line with the trial's name; True when no more can come."""
        data, closed = wire.drain(self.output, most)
        self._print(self._printed.feed(data))
        return closed

    def take_checkpoints(self) -> dict[str, tuple[Path, Mapping[str, Any]]]:
        """Kind -> file and what it is, of those that nobody has taken yet; the caller uploads and deletes them.

        The best is there first: whoever goes on from the last one counts on it.
        """
        files, self._files = self._files, {}
        return {kind: files[kind] for kind in ("best", "last") if kind in files}

    @property
    def has_checkpoint(self) -> bool:
        """There is a new one to go on from; one that is only the best can wait until then, or to the end."""
        return "last" in self._files

    def stop(self, why: str, grace: float) -> None:
        """Ask the trial to checkpoint and stop; it is killed after ``grace`` seconds."""
        if not self.why:
            self.why, self.deadline = why, 0.0
            self.grace = time.monotonic() + grace
            self._order(b"s")

    def go_on(self, standing: Standing) -> None:
        """Let it past a rung."""
        self._passed = standing.rung + 1
        self._order(b"g")

    def pause(self, standing: Standing, grace: float) -> None:
        """Have it stop at a rung, where it has left a checkpoint if it keeps anything."""
        if not self.why:
            self._stood = standing
        self.stop("paused", grace)

    def _order(self, order: bytes) -> None:
        try:
            os.write(self._orders, order)
        except BrokenPipeError:
            return  # it has just ended

    def kill(self, why: str) -> None:
        """End it now."""
        self.why, self.deadline = self.why or why, 0.0
        self.grace = time.monotonic() + AGAIN
        self.zygote.kill_trial()

    def wake_at(self) -> float:
        """When :meth:`check` is due, on the monotonic clock; 0 is never."""
        return min((at for at in (self.deadline, self.grace) if at), default=0.0)

    def check(self) -> None:
        """Kill the trial if it takes too long."""
        now = time.monotonic()
        if self.grace and now >= self.grace:
            self.kill(self.why)
        elif self.deadline and now >= self.deadline:
            self.kill("timeout")

    def finish(self) -> TrialRecord:
        """Once its process has ended: everything that was said and printed, and the record to settle."""
        self.hear(ALL)
        self.show(ALL)
        if rest := self._printed.end():
            self._print([rest])
        for fd in (self.messages, self.output, self._orders):
            os.close(fd)
        record = replace(self.record, ended_ms=time.time_ns() // 1_000_000, step=self._steps, rung=self._passed)
        if self._said.get("type") == "result":
            return self._succeeded(record, self._said["result"])
        if self.why == "paused" and self._stood:
            result = dict(self._metrics)
            return replace(record, state="paused", rung=self._stood.rung, value=self._stood.value, result=result)
        if self.why in ("released", "cancelled", "lost") or self._said.get("type") == "stopped":
            return replace(record, state="retry")  # not cancelled: the run may go on again before this is written
        return self._failed(record)

    def _succeeded(self, record: TrialRecord, result: Any) -> TrialRecord:
        value = number(result.get(self._run.metric) if isinstance(result, dict) else result)
        if value is None or not self._run.metric:
            value = self._best
        return replace(record, state="done", result=result, value=value)

    def _failed(self, record: TrialRecord) -> TrialRecord:
        if self.why == "timeout":
            message = f"it ran longer than {self._run.limits.timeout:g} s"
            error: Mapping[str, Any] = {"type": "Timeout", "message": message, "tail": self._tail}
        elif self._said.get("type") == "error":
            error = self._said["error"]
        else:
            error = {**died(self.zygote.code or 0, self.zygote.peak_kib), "tail": self._tail}
        if self.claimed.restored and not self._moved:  # its checkpoint leads nowhere: the next attempt does without
            record = replace(record, since=record.attempt + 1)
        failures = record.failures + 1
        state = "retry" if failures <= self._run.limits.retries else "failed"
        return replace(record, state=state, error=error, failures=failures, value=None)

    def _print(self, lines: Any) -> None:
        said = [line.decode(errors="replace") for line in lines]
        if said:
            self._tail = "\n".join([self._tail, *said])[-TAIL:].lstrip("\n")
            print("".join(f"[{self.name}] {line}\n" for line in said), end="", flush=True)
