"""What a run's record says of its Fargate workers after all, some or none were started, or the command was cut off."""

from __future__ import annotations

from typing import Any

import pytest
from jobs_runs import a_run
from test_jobs_fargate import ENGINE, NO_ROOM, Ecs

from awsrun.aws.errors import AwsrunError, Stopped
from awsrun.jobs.site import Site
from awsrun.jobs.workers import launch
from awsrun.jobs.workers.engines import OnFargate
from awsrun.jobs.workers.image import Image
from awsrun.worker.protocol.memory import MemoryTable
from awsrun.worker.protocol.runs import Run
from awsrun.worker.protocol.store import RunStore

JOBS = {name: value for name, value in ENGINE.items() if name not in ("groups", "kind", "region", "tags")}


class Cut(Ecs):
    """Ctrl-C comes after so many calls."""

    region = "us-east-1"
    after = 1_000

    def run_task(self, **asked: Any) -> dict[str, Any]:
        if len(self.asked) == self.after:
            raise KeyboardInterrupt
        return super().run_task(**asked)


def started(ecs: Cut, count: int, run: Run | None = None) -> tuple[Any, Run]:
    """What came of asking for workers, and the run's record after it."""
    store = RunStore(MemoryTable())
    whole = run or a_run()
    assert store.create(whole)
    engine = OnFargate(Site("s", store, ecs, JOBS), ecs, JOBS)  # type: ignore[arg-type]
    try:
        found: Any = engine.start(whole, count, 0, "an image", "", lambda _: None)
    except (AwsrunError, KeyboardInterrupt) as error:
        found = error
    kept = store.run(whole.run)
    assert kept is not None
    return found, kept


def test_all_are_started() -> None:
    found, kept = started(Cut(), 25)
    (group,) = kept.engine["groups"]
    assert (found, group["workers"], "started" in group, launch.missing(kept)) == (25, 25, False, [])


def test_there_is_room_for_some() -> None:
    found, kept = started(Cut("room 7", "room 0", "room 0"), 10)
    (group,) = kept.engine["groups"]
    assert (found, group["workers"], group["started"]) == (7, 10, 7)
    assert launch.missing(kept) == [f"3 of 10 workers were not started: {NO_ROOM}"]


def test_nobody_answered_for_some() -> None:
    found, kept = started(Cut("take", *["lose"] * 50), 30)
    (group,) = kept.engine["groups"]
    assert (found, group["started"]) == (20, 20), "what may be there counts as there"
    (reason,) = launch.missing(kept)
    assert reason.startswith("20 of 30 workers were not started (10 of them perhaps were): ")


def test_none_is_started_and_the_next_try_is_another_one() -> None:
    ecs = Cut(*["room 0"] * 3)
    found, kept = started(ecs, 10)
    assert isinstance(found, AwsrunError) and NO_ROOM in found.why
    assert kept.engine["groups"] == [], "the run shows as not started"
    tokens = {one["clientToken"] for one in ecs.asked}
    again, _ = started(ecs, 10, kept)
    assert again == 10 and ecs.asked[-1]["clientToken"] not in tokens, "ECS would answer as before for a day"


def test_a_command_that_is_cut_off_leaves_its_workers_in_the_record() -> None:
    ecs = Cut()
    ecs.after = 1
    found, kept = started(ecs, 30)
    (group,) = kept.engine["groups"]
    assert isinstance(found, KeyboardInterrupt)
    assert (ecs.running, group["workers"]) == (10, 30), "they find themselves there, and resume starts what is missing"
    assert launch.missing(kept) == []


def test_who_cuts_a_submit_off_is_told_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    ecs, run, store = Cut(), a_run(), RunStore(MemoryTable())
    assert store.create(run)
    ecs.after = 0
    site = Site("s", store, ecs, JOBS)  # type: ignore[arg-type]
    engine = OnFargate(site, ecs, JOBS)  # type: ignore[arg-type]
    for name in ("of_run", "of_stack"):
        monkeypatch.setattr(launch.engines, name, lambda *_: engine)
    with pytest.raises(Stopped, match=f"{run.run} is submitted") as caught:
        launch.workers(site, run, 30, image=Image("an image"))
    assert f"awsrun resume {run.run}" in caught.value.hint and f"awsrun cancel {run.run}" in caught.value.hint
