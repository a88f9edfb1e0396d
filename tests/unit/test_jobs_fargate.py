"""Fargate workers are asked for in tens, at AWS's pace, once whatever becomes of the answer; stages are ECS's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from awsrun.aws.errors import AwsrunError
from awsrun.jobs.workers import fargate
from awsrun.jobs.workers.fargate import Started
from awsrun.jobs.workers.pace import Pace
from awsrun.worker.fargate import ATTEMPT, SEATS, Start, request
from awsrun.worker.protocol.runs import Run

LOST = ReadTimeoutError(endpoint_url="http://ecs")
NO_ROOM = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
ENGINE = {
    "kind": "fargate",
    "cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/c",
    "definition": "arn:aws:ecs:us-east-1:123456789012:task-definition/s-train:3",
    "container": "main",
    "capacity": "FARGATE_SPOT",
    "subnets": ["subnet-1"],
    "security_groups": ["sg-1"],
    "public": True,
    "table": "awsrun-s.runs",
    "region": "us-east-1",
    "tags": {"awsrun:stack": "s", "awsrun:run": "r"},
    "groups": [{"job": "r/w0", "workers": 25, "slot": 0}, {"job": "r/w1", "workers": 3, "slot": 25}],
}
RUN = Run("r", "job.py", "train", {}, 100, bucket="b", code_key="k", code_hash="h", engine=ENGINE)


class Ecs:
    """An ECS that knows client tokens, and does with each RunTask as the script says (``CODE:message``, ``lose`` the
    answer, ``room`` for so many), then takes all."""

    def __init__(self, *script: str) -> None:
        self.script, self.asked, self.tasks = list(script), [], dict[str, list[Any]]()
        self.calls, self.time_scale = 0, 1.0

    def read(self, service: str) -> Ecs:
        return self

    write = read

    def run_task(self, **asked: Any) -> dict[str, Any]:
        what = self.script.pop(0) if self.script else "take"
        self.asked.append(asked)
        if what not in ("take", "lose") and not what.startswith("room "):
            code, _, message = what.partition(":")
            raise ClientError({"Error": {"Code": code, "Message": message or "said"}}, "RunTask")
        room = int(what.removeprefix("room ")) if what.startswith("room ") else asked["count"]
        fit = min(room, asked["count"])
        made = self.tasks.setdefault(asked["clientToken"], [{"taskArn": object()} for _ in range(fit)])
        if what == "lose":
            raise LOST
        return {"tasks": made, "failures": [{"reason": NO_ROOM}] * (len(made) < asked["count"])}

    @property
    def running(self) -> int:
        return sum(map(len, self.tasks.values()))


def start(ecs: Ecs, count: int, slot: int = 0) -> Started:
    return fargate.start(ecs, RUN, slot, count, sleep=lambda _: None)  # type: ignore[arg-type]


def test_workers_are_asked_for_ten_a_call_each_with_a_seat() -> None:
    ecs = Ecs()
    assert start(ecs, 25) == Started(25)
    assert [one["count"] for one in ecs.asked] == [10, 10, 5]
    assert len({one["clientToken"] for one in ecs.asked}) == 3
    variables = [
        {pair["name"]: pair["value"] for pair in one["overrides"]["containerOverrides"][0]["environment"]}
        for one in ecs.asked
    ]
    assert [(one["AWSRUN_SLOT"], one[SEATS]) for one in variables] == [("0", "10"), ("10", "10"), ("20", "5")]
    assert {one["startedBy"] for one in ecs.asked} == {"r/w0"}
    assert ecs.asked[0]["capacityProviderStrategy"] == [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    assert {"key": "awsrun:stack", "value": "s"} in ecs.asked[0]["tags"]


NEW_ROLE = "ClientException:ECS was unable to assume the role 'arn:aws:iam::1:role/r' that was provided for this task."
EC2_THROTTLED = "InvalidParameterException:Error retrieving subnet information for [subnet-1]: {}"


@pytest.mark.parametrize(
    "script",
    [
        ("lose",),
        ("ThrottlingException", "lose", "lose"),
        ("take", "lose", "take"),
        (EC2_THROTTLED.format("Rate exceeded (ErrorCode: Throttling)"),),
        (NEW_ROLE, NEW_ROLE, "lose"),
        (EC2_THROTTLED.format("Request limit exceeded. (ErrorCode: RequestLimitExceeded)"), "lose"),
    ],
)
def test_a_lost_answer_or_a_throttle_starts_nothing_twice(script: tuple[str, ...]) -> None:
    ecs = Ecs(*script)
    assert start(ecs, 20) == Started(20)
    assert ecs.running == 20


def test_what_there_is_no_room_for_is_asked_for_again_under_another_token() -> None:
    ecs = Ecs("room 7", "room 1")
    assert start(ecs, 10) == Started(10)
    assert [one["count"] for one in ecs.asked] == [10, 3, 2]
    assert len({one["clientToken"] for one in ecs.asked}) == 3
    short = Ecs("take", "room 4", "room 0", "room 0")
    assert start(short, 30) == Started(30), "by the third time there is room for all"
    assert [one["count"] for one in short.asked] == [10, 10, 10, 6, 6, 10]
    none = Ecs("take", "room 4", *["room 0"] * 3)
    assert start(none, 30) == Started(14, 0, [NO_ROOM])
    assert len(none.asked) == 5, "where there is no room at all no further call is made"
    waits: list[float] = []
    many = Ecs(*["room 9"] * 100)
    assert fargate.start(many, RUN, 0, 25, sleep=waits.append) == Started(25)  # type: ignore[arg-type]
    assert [wait for wait in waits if wait > 1] == [5.0], "what is missing of many calls is waited for once"
    again = replace(RUN, engine={**ENGINE, "tries": 1})
    asked = [request(run, Start(0, 10, 10, tries=run.engine.get("tries", 0))) for run in (RUN, again)]
    assert asked[0]["clientToken"] != asked[1]["clientToken"], "else ECS would answer as before"


def test_a_refusal_is_said_and_some_workers_are_better_than_none() -> None:
    with pytest.raises(AwsrunError, match="said"):
        start(Ecs("InvalidParameterException"), 5)
    with pytest.raises(AwsrunError) as caught:
        start(Ecs("room 0", "room 0", "room 0"), 5)
    assert NO_ROOM in caught.value.why
    assert start(Ecs("take", "ClientException"), 20) == Started(10, 0, ["said (ClientException)"])


def test_what_was_started_counts_though_the_rest_of_its_call_is_refused() -> None:
    ecs = Ecs("room 7", "ClientException")
    assert start(ecs, 10) == Started(7, 0, ["said (ClientException)"])
    assert ecs.running == 7


def test_workers_of_a_call_that_was_never_answered_are_perhaps_there() -> None:
    ecs = Ecs("take", *["lose"] * 100)
    found = start(ecs, 30)
    assert (found.count, found.unsure, ecs.running) == (10, 10, 20), "no further call is made"
    assert start(Ecs(*["lose"] * 100), 5).unsure == 5, "it is no refusal"
    with pytest.raises(AwsrunError):
        start(Ecs(*["ThrottlingException"] * 100), 5)
    refused_then = start(Ecs("lose", "ClientException"), 5)
    assert (refused_then.count, refused_then.unsure) == (0, 5), "the first one may have been taken"


def test_a_hundred_tasks_are_launched_at_once_and_then_twenty_a_second() -> None:
    now = [0.0]
    pace = Pace(20, 100, clock=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    times = []
    for _ in range(14):
        pace.take(10)
        times.append(now[0])
    assert times == pytest.approx([0.0] * 10 + [0.5, 1.0, 1.5, 2.0])


def test_a_lost_workers_place_has_its_slot_and_its_start() -> None:
    asked = request(RUN, Start(26, attempt=3, ask=1))
    (container,) = asked["overrides"]["containerOverrides"]
    variables = {pair["name"]: pair["value"] for pair in container["environment"]}
    assert (variables[ATTEMPT], container["command"][-1], asked["startedBy"]) == ("3", "26", "r/w1")
    assert SEATS not in variables, "it takes no other slot"
    assert request(RUN, Start(26, attempt=3, ask=1)) == asked, "whoever asks asks the same"
    assert request(RUN, Start(26, attempt=3, ask=2))["clientToken"] != asked["clientToken"]
    sized = request(replace(RUN, size={"vcpus": 0.5, "memory_mib": 1024}), Start(0))["overrides"]
    assert (sized["cpu"], sized["memory"]) == ("512", "1024")
    assert len(str(sized)) < 8192, "RunTask takes no more"


BORN = datetime(2026, 1, 1, tzinfo=timezone.utc)


def task(last: str, code: int | None = None, desired: str = "", **more: Any) -> dict[str, Any]:
    container = {"exitCode": code} if code is not None else {}
    desired = desired or ("STOPPED" if last == "STOPPED" else "RUNNING")
    return {"lastStatus": last, "desiredStatus": desired, "createdAt": BORN, "containers": [container], **more}


def test_stages_are_ecs_own_and_what_is_not_listed_yet_counts() -> None:
    tasks = [
        task("PROVISIONING"), task("PENDING"), task("RUNNING"), task("RUNNING", desired="STOPPED"),
        task("STOPPED", 0), task("STOPPED", 143), task("STOPPED", 137, stopCode="SpotInterruption"),
        task("STOPPED", 1, startedAt=BORN, stoppedReason="Essential container in task exited"),
        task("STOPPED", stopCode="TaskFailedToStart", stoppedReason="CannotPullContainerError: no such image"),
    ]  # fmt: skip
    for one in tasks:
        one["startedBy"] = "r/w0"
    listing = [*tasks, task("STOPPED", 1, startedAt=BORN, startedBy="another/w0")]

    def paginate(cluster: str, startedBy: str = "", family: str = "", desiredStatus: str = "RUNNING") -> Any:
        assert not startedBy or desiredStatus == "RUNNING", "AWS takes no other filter with it"
        assert startedBy or family == "s-train"
        found = [n for n, one in enumerate(listing) if one["desiredStatus"] == desiredStatus]
        return [{"taskArns": [f"task/{n}" for n in found if startedBy in ("", listing[n]["startedBy"])]}]

    client = SimpleNamespace(
        get_paginator=lambda name: SimpleNamespace(paginate=paginate),
        describe_tasks=lambda cluster, tasks: {"tasks": [listing[int(arn.split("/")[1])] for arn in tasks]},
    )
    cloud: Any = SimpleNamespace(read=lambda service: client)
    at = BORN.timestamp()
    groups = [
        {"job": "r/w0", "workers": 9, "slot": 0, "at": at},
        {"job": "r/w1", "workers": 5, "started": 3, "slot": 9, "at": at},
    ]
    run = replace(RUN, engine={**ENGINE, "groups": groups})
    found = fargate.stages(cloud, run, at + 10)
    expected = {"submitted": 3, "waiting": 1, "starting": 1, "running": 1, "ended": 4, "failed": 2}
    assert (found.counts, found.since) == (expected, at)
    assert found.reasons == ("CannotPullContainerError: no such image",)
    assert "submitted" not in fargate.stages(cloud, run, at + 100).counts, "by then a list would show them"
