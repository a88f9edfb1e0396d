"""Waiting for what was made, on virtual time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from reconcile_fakes import Env, EnvState, FakeCloud, VirtualClock, open_session

from awsrun.aws.errors import AwsrunError
from awsrun.reconcile.converge import converge
from awsrun.reconcile.waiting import Waiting
from awsrun.resources.kind import Owner, Seen

HOUR = 3600.0


def waited_for(fake: FakeCloud) -> Seen[Any]:
    """A new environment, once it is ready."""
    session, wanted = open_session(fake), EnvState("net", "small", 4)
    kind = session.kinds["env"]
    id = kind.create(wanted, Owner("test", "compute", "test-compute", {}, ""))
    return converge(session, kind, id, wanted, Waiting(session, "compute", "env", "create"), fresh=True)


def test_what_stands_still_is_given_up() -> None:
    with pytest.raises(AwsrunError, match="is not ready after 30 minutes"):
        waited_for(FakeCloud(VirtualClock(), slow=4 * HOUR))


def test_what_says_that_it_goes_on_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image takes hours to build and push on a slow line."""
    read, fake = Env.read, FakeCloud(VirtualClock(), slow=4 * HOUR)

    def told(self: Env, id: str) -> Seen[Any]:
        return replace(read(self, id), why=f"step {fake.clock.now() // 600:.0f}")

    monkeypatch.setattr(Env, "read", told)
    assert waited_for(fake).phase == "ready"


def test_an_accepted_change_may_take_minutes_to_show_and_is_sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue's settings, as SQS shows them."""
    fake = FakeCloud(VirtualClock())
    session, before = open_session(fake), EnvState("net", "small", 4)
    kind, read = session.kinds["env"], Env.read
    id = kind.create(before, Owner("test", "compute", "test-compute", {}, ""))
    shows = fake.clock.now() + 150

    def late(self: Env, id: str) -> Seen[Any]:
        seen = read(self, id)
        return seen if fake.clock.now() >= shows else replace(seen, state=before)

    monkeypatch.setattr(Env, "read", late)
    wanted = replace(before, most=8)
    seen = converge(session, kind, id, wanted, Waiting(session, "compute", "env", "update"), fresh=False)
    assert seen.state == wanted and fake.calls["update", "env"] == 1
