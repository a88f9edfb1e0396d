"""What a user does to a submitted run: cancel it, pause it, let it go on, put failed trials back."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterator
from dataclasses import replace

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.reading.reader import Reader, absent
from awsrun.jobs.reading.status import trial_state
from awsrun.jobs.site import Site
from awsrun.jobs.workers import engines, launch
from awsrun.worker.protocol.control import PUT_BACK
from awsrun.worker.protocol.records import FINAL, ON_HOLD, SETTLED, Run

_NAMED = 5
"""So many trials are named in a message, the others counted."""


def cancel(site: Site, run: str) -> str:
    """Cancel a run: no trial starts any more, workers are stopped; the state it has then."""
    site.live()
    state = site.store.cancel(run, _now_ms())
    if state == "cancelled":  # in this order: a worker that is stopped finds no work when it is started again
        whole = _run(site, run)
        engines.of_run(site, whole).stop(whole, "cancelled by awsrun cancel")
    return state


def cancel_trial(site: Site, run: str, n: int) -> str:
    """Cancel one trial; the state it has then.

    Raises:
        AwsrunError: the run has no trial ``n``, or is over.
    """
    site.live()
    whole = _run(site, run)
    if not 0 <= n < whole.total:
        raise absent(whole, n)
    if whole.state in FINAL:
        raise AwsrunError(f"{run} is over: {whole.state}", "a trial of it cannot be cancelled any more")
    return site.store.cancel_trial(run, n, _now_ms()).state


def pause(site: Site, run: str) -> None:
    """Have the workers checkpoint their trials, give them back and go; nothing starts until `resume`.

    Raises:
        AwsrunError: the run is over, or a retry of it is under way.
    """
    site.live()
    state = site.store.pause(run)
    if state in FINAL:
        raise AwsrunError(f"{run} is over: {state}", "there is nothing to pause", f"awsrun results {run}")
    if state != ON_HOLD:
        raise AwsrunError(f"{run} is {state}", "a retry of it is under way, or was cut short", f"awsrun retry {run}")
    # They would notice by themselves; but those that wait for a machine would wait for it still, and have it started.
    whole = _run(site, run)
    engines.of_run(site, whole).stop(whole, "paused by awsrun pause")


def dismiss(site: Site, run: str) -> int:
    """Call off the workers of a run that is over that have not begun: AWS would get a machine for each of them, which
    would find nothing to do.  How many they were; those that run go by themselves.

    To do it twice, or half and then again, is to do it once.  The workers are read before the state: those of a retry
    that begins meanwhile are not among them, and the ones before it do not count for it.
    """
    site.live()
    whole = _run(site, run)
    if not whole.engine.get("groups") or site.store.status(run).state not in FINAL:
        return 0
    return engines.of_run(site, whole).dismiss(whole, "the run was over before this worker began")


def retry(site: Site, run: str, trials: Collection[int] = (), fresh: bool = False) -> tuple[int, int]:
    """Put trials back and see to it that there are workers; (trials put back, workers started).

    Args:
        trials: failed or cancelled ones; unless given, all that failed (where the run itself was cancelled or failed,
            those that were cancelled with it, too).
        fresh: from nothing, not from their last checkpoints.

    Raises:
        AwsrunError: no trial has failed, or one of those given cannot be run again.
    """
    site.live()
    reader = Reader(site.store, run)
    whole = reader.run()
    states = PUT_BACK if trials or whole.state in ("cancelled", "failed") else frozenset({"failed"})
    if trials:
        _check(site, whole, trials)
    else:
        counts = reader.tally(whole).counts
        if not any(counts[state] for state in states) and whole.state not in ("retrying", "failed", "cancelled"):
            cancelled = f", {counts['cancelled']:,} cancelled" * bool(counts["cancelled"])
            why = f"{counts['done']:,} of {whole.total:,} are done{cancelled}"
            hint = f"awsrun retry {run} N runs the cancelled trial N again" if cancelled else ""
            raise AwsrunError(f"no trial of {run} has failed", why, hint)
    if whole.state in FINAL:
        states |= {"retry"}  # which were under way when it ended
    back = site.store.retry(run, sorted(set(trials)) or None, states, fresh)
    return back, _start(site, run, _leaving(whole))


def resume(site: Site, run: str) -> int:
    """Let a run go on that is paused, or not finished and without workers, or on ECS with too few; how many were
    started.

    Raises:
        AwsrunError: the run is done, or still has its workers.
    """
    whole = _run(site, run)
    if whole.state == "done":
        raise AwsrunError(f"{run} is done", "there is nothing left to do", f"awsrun results {run}")
    if whole.state == ON_HOLD:
        site.live()
        site.store.go_on(run)
    elif whole.state != "running":
        site.store.retry(run)
    started = _start(site, run, _leaving(whole))
    if not started:
        raise AwsrunError(f"{run} still has workers", "they go on by themselves", f"awsrun show {run}")
    return started


def current(run: Run) -> Run:
    """The run without the workers that it was stopped with: what they came to says nothing of how it gets on."""
    groups = [group for group in run.engine.get("groups", ()) if not group.get("stopped")]
    return replace(run, engine={**run.engine, "groups": groups}) if run.engine else run


def _check(site: Site, whole: Run, trials: Collection[int]) -> None:
    """Refuse trials that cannot be put back, before anything is changed."""
    if beyond := sorted(n for n in set(trials) if not 0 <= n < whole.total):
        raise absent(whole, beyond[0])
    wrong = dict(_wrong(site, whole, trials))
    if not wrong:
        return
    named = [f"trial {n} {why}" for n, why in list(wrong.items())[:_NAMED]]
    more = [f"and {len(wrong) - _NAMED:,} more"] if len(wrong) > _NAMED else []
    others = [str(n) for n in sorted(set(trials) - wrong.keys())]
    raise AwsrunError(
        "only trials that failed or were cancelled can be run again",
        ", ".join([*named, *more]),
        f"awsrun retry {whole.run} {' '.join(others)}" if others else f"awsrun results {whole.run}",
    )


def _wrong(site: Site, whole: Run, trials: Collection[int]) -> Iterator[tuple[int, str]]:
    """Those of some trials that cannot be put back, and why."""
    for n in sorted(set(trials)):
        trial = site.store.trial(whole.run, n)
        state = trial_state(whole, trial) if trial else ""
        if state not in PUT_BACK:
            words = {"": "has not started yet", "run": "is running", "retry": "waits to run again already"}
            yield n, words.get(state, f"is {state}")


def _leaving(whole: Run) -> int:
    """How many groups of workers, the first ones, are on their way out: those of a run that was over or on hold."""
    return len(whole.engine.get("groups", ())) if whole.state in FINAL or whole.state == ON_HOLD else 0


def _start(site: Site, run: str, leaving: int) -> int:
    """Start as many workers as the rest of the run needs, if no other command has; how many.

    Args:
        leaving: so many groups of workers, the first ones, do not count, whether or not workers of them are there.
    """
    site.live()
    token = uuid.uuid4().hex
    site.store.hold_launch(run, token)
    try:
        return _start_missing(site, run, leaving, token)
    finally:
        site.store.free_launch(run, token)


def _start_missing(site: Site, run: str, leaving: int, token: str) -> int:
    """Where the engine replaces lost workers by itself, none is started as long as some are there."""
    reader = Reader(site.store, run)
    whole = reader.run()
    engine, groups = engines.of_run(site, whole), list(whole.engine.get("groups", ()))
    groups[:leaving] = [{**group, "stopped": True} for group in groups[:leaving]]
    whole = replace(whole, engine={**whole.engine, "groups": groups}) if whole.engine else whole
    alive = engine.stages(current(whole)).alive
    if alive and engine.replaces:
        return 0
    counts = reader.tally(whole).counts
    left = whole.total - sum(counts[state] for state in SETTLED)
    workers = max(1, min(whole.limits.workers, left)) - alive
    if workers <= 0:
        return 0
    if not (alive or engine.replaces):  # else those that are left replace earlier ones, too
        groups = [{**group, "stopped": True} for group in groups]
    used = max((group["slot"] + group["workers"] for group in groups), default=0)
    if whole.engine:  # those that were not started are asked for again now
        groups = [{key: value for key, value in group.items() if key != "reasons"} for group in groups]
        whole = replace(whole, engine={**whole.engine, "groups": groups})
    return launch.workers(site, whole, workers, max(used, site.store.next_slot(run)), token)


def _run(site: Site, run: str) -> Run:
    return Reader(site.store, run).run()


def _now_ms() -> int:
    return int(time.time() * 1000)
