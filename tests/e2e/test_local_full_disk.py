"""A disk without room: what is refused says so, and nothing that was acknowledged or that happened is lost."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.conftest import LocalCloud
from tests.contract.test_local_batch import Place
from tests.e2e.test_local_jobs_survive import again
from tests.e2e.test_local_survives import eventually, kill, make_table

ROOM = 100_000  # bytes that the journal may still grow


def fill(cloud: LocalCloud, journal: Path) -> list[str]:
    """Put items, until the server may not make its files any larger; the keys of those that were taken."""
    limits = resource.prlimit(cloud.status()["pid"], resource.RLIMIT_FSIZE)
    resource.prlimit(cloud.status()["pid"], resource.RLIMIT_FSIZE, (journal.stat().st_size + ROOM, limits[1]))
    dynamodb, taken = cloud.client("dynamodb"), list[str]()
    with pytest.raises(ClientError, match=r"InternalFailure.*cannot write to .* KiB are free"):
        while len(taken) < 1000:
            item = {"pk": {"S": "p"}, "sk": {"S": str(len(taken))}, "value": {"S": "x" * 9_000}}
            dynamodb.put_item(TableName="t", Item=item)
            taken.append(item["sk"]["S"])
    return taken


def kept(cloud: LocalCloud) -> set[str]:
    pages = cloud.client("dynamodb").get_paginator("scan").paginate(TableName="t")
    return {item["sk"]["S"] for page in pages for item in page["Items"]}


def test_what_happened_without_room_for_it_is_known_after_a_kill(fresh_cloud: LocalCloud, tmp_path: Path) -> None:
    cloud = fresh_cloud
    place, dynamodb = Place(cloud, "jobs"), make_table(cloud)
    flag, runs = tmp_path / "go", tmp_path / "runs"
    job = place.submit(place.define("sh", "-c", f"echo x >>{runs}; while ! test -e {flag}; do sleep 0.05; done"))
    place.running(job)
    (journal,) = sorted((cloud.home / "data" / "local" / "store").glob("journal-*.log"))[-1:]
    taken = fill(cloud, journal)
    with pytest.raises(ClientError, match="cannot write"):
        dynamodb.delete_item(TableName="t", Key={"pk": {"S": "p"}, "sk": {"S": taken[0]}})
    assert kept(cloud) >= set(taken), "it is read all the same, and nothing was deleted"
    flag.touch()
    eventually(lambda: place.describe(job)["status"] == "SUCCEEDED")
    kill(cloud)

    cloud.start()
    assert kept(cloud) >= set(taken)
    assert again(cloud).finished(job)["status"] == "SUCCEEDED"
    assert runs.read_text().split() == ["x"], "it did not run twice"


def test_what_was_owed_is_written_once_there_is_room(fresh_cloud: LocalCloud) -> None:
    cloud = fresh_cloud
    dynamodb = make_table(cloud)
    (journal,) = sorted((cloud.home / "data" / "local" / "store").glob("journal-*.log"))[-1:]
    taken = fill(cloud, journal)
    unlimited = resource.prlimit(cloud.status()["pid"], resource.RLIMIT_FSIZE)[1]
    resource.prlimit(cloud.status()["pid"], resource.RLIMIT_FSIZE, (unlimited, unlimited))
    dynamodb.delete_item(TableName="t", Key={"pk": {"S": "p"}, "sk": {"S": taken[0]}})
    kill(cloud)
    cloud.start()
    assert kept(cloud) == {*taken[1:], str(len(taken))}, "the item whose answer was an error was put"
