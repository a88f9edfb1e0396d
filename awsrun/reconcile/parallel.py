"""Runs a graph of tasks in parallel, each as soon as what it needs is done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from awsrun.aws.errors import AwsrunError
from awsrun.reconcile.halt import Halt, Halted

K = TypeVar("K", bound=Hashable)

# Seconds.  The system may hand a signal to any thread, and Python handles it in the main one, once that does something.
TICK = 0.5


class Skipped(AwsrunError):
    """It was not begun, because something that it needs is not there."""


def run_graph(
    after: Mapping[K, Collection[K]], work: Callable[[K], None], halt: Halt, workers: int, label: Callable[[K], str]
) -> dict[K, AwsrunError]:
    """Do ``work`` of each key once all of ``after[key]`` are done.  Goes on past failures.

    Args:
        label: how a key is named to users.

    Returns:
        what failed or was skipped.  After a halt nothing new is begun, and the keys not begun are not listed.

    Raises:
        anything but AwsrunError and Halted that ``work`` raises, when all else has ended: a mistake in awsrun.
    """
    left = {key: {one for one in needs if one in after} for key, needs in after.items()}
    failed: dict[K, AwsrunError] = {}
    surprise: BaseException | None = None
    running: dict[Future[None], K] = {}
    with ThreadPoolExecutor(max(1, min(workers, len(left) or 1))) as pool:
        while left or running:
            if halt.reason is not None or surprise is not None:
                left.clear()
            for key in [key for key, needs in left.items() if not needs]:
                del left[key]
                running[pool.submit(work, key)] = key
            if not running:
                break
            done, _ = wait(running, TICK, FIRST_COMPLETED)
            for future in done:
                key, error = running.pop(future), future.exception()
                if isinstance(error, AwsrunError):
                    failed[key] = error
                    _skip(left, failed, key, label)
                elif error is not None and not isinstance(error, Halted):
                    surprise = error
                else:
                    for needs in left.values():
                        needs.discard(key)
    if surprise is not None:
        raise surprise
    return failed


def _skip(left: dict[K, set[K]], failed: dict[K, AwsrunError], cause: K, label: Callable[[K], str]) -> None:
    """Take out what needs ``cause``, directly or through others."""
    for key in [key for key, needs in left.items() if cause in needs]:
        if key in left:
            del left[key]
            failed[key] = Skipped(f"{label(key)} was not begun", f"it has to do with {label(cause)}, which failed")
            _skip(left, failed, key, label)
