"""SIGKILL at every mutating call of apply, of a change and of teardown, before it arrives and after it was done.

The same command run again must end where an undisturbed one ends: nothing doubled, nothing orphaned, nothing of others
touched.  What is there is read from the server itself, never with awsrun's code.  ``AWSRUN_CHAOS=all`` tries every
call, in shards that may run side by side; without it a sample spread over all of them.  The strict cloud throttles a
tenth of all calls, loses some answers besides, and lets the commands do only what the generated policy allows.
"""

from __future__ import annotations

import os
from itertools import zip_longest
from typing import Any

import pytest
from conftest import Commands
from inventory import clients_of, inventory, make_foreign, remembered, settle, shows
from killing_proxy import Moment

EVERY = os.environ.get("AWSRUN_CHAOS") == "all"
SHARDS = 8 if EVERY else 1
SAMPLE = 4  # cycles of a killed apply, change and teardown
STRICT = {"strict": True, "throttle": 0.1, "lose": 0.03, "time_scale": 0.01, "iam": True}
STEPS = ("apply", "change", "teardown")


def points(count: int, shard: int) -> list[tuple[int, Moment]]:
    """The calls to kill at: all of them, both ways, or a spread of them, both ways in turn."""
    if EVERY:
        return [(at, moment) for at in range(1, count + 1) for moment in ("before", "after")][shard::SHARDS]
    chosen = [1 + round(index * (count - 1) / (SAMPLE - 1)) for index in range(SAMPLE)]
    return [(at, "after" if index % 2 else "before") for index, at in enumerate(chosen)]


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("options", [{}, STRICT], ids=["plain", "strict"])
def test_killed_anywhere_and_run_again_it_ends_the_same(
    options: dict[str, Any], shard: int, commands: Commands, fresh_cloud: Any
) -> None:
    clients = clients_of(fresh_cloud.endpoint)
    make_foreign(clients)
    settle(clients)
    ends, known, plan = {"": inventory(clients)}, {}, []
    for step in STEPS:
        status, said, trap = commands.run(step)
        assert status == 0, said
        settle(clients)
        ends[step], known[step] = inventory(clients), remembered(clients)
        plan.append(points(len(trap.seen), shard))
    assert ends["teardown"] == ends[""]

    nowhere: tuple[int, Moment] = (0, "before")
    for cycle in zip_longest(*plan, fillvalue=nowhere):
        at, moment = cycle[0]
        status, said, trap = commands.run("apply", at, moment)
        history = f"apply killed {moment} call {at} ({trap.sprung}), torn down; "
        commands.clean("teardown")
        shows(clients, ends[""], history)
        for step, (at, moment) in zip(STEPS, cycle, strict=True):
            status, said, trap = commands.run(step, at, moment)
            history += f"{step} killed {moment} call {at} ({trap.sprung}); "
            assert status == (-9 if trap.sprung else 0), f"{history}: {said}"
            commands.clean(step)
            shows(clients, ends[step], history)
            assert remembered(clients) == known[step], history
            if step != "teardown":
                assert commands.run(step)[2].seen == [], f"{history}: another {step} still writes"
