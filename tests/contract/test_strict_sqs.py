"""SQS as hard as AWS's: what is done to a queue shows later, and the name of a deleted one is taken for a while."""

from __future__ import annotations

import json
from typing import Any

import pytest

from awsrun.resources.registry import kind
from tests.conftest import LocalCloud
from tests.contract.strict_bench import passes, refused, sometimes, unique, until

GONE = "AWS.SimpleQueueService.NonExistentQueue"
RECENT = "AWS.SimpleQueueService.QueueDeletedRecently"


@pytest.fixture
def queues(strict_cloud: LocalCloud) -> Any:
    return strict_cloud.client("sqs")


def made(queues: Any) -> tuple[str, str]:
    """Name and URL of a queue that can be used."""
    name = unique()
    url = str(queues.create_queue(QueueName=name)["QueueUrl"])
    until(lambda: name in listed(queues))
    passes(GONE, queues.get_queue_attributes, QueueUrl=url, AttributeNames=["All"])
    return name, url


def listed(queues: Any) -> set[str]:
    pages = queues.get_paginator("list_queues").paginate(PaginationConfig={"PageSize": 1000})
    return {url.rpartition("/")[2] for page in pages for url in page.get("QueueUrls", ())}


def test_a_new_queue_cannot_be_used_for_a_moment(queues: Any) -> None:
    def attempt(name: str) -> None:
        url = queues.create_queue(QueueName=name)["QueueUrl"]
        queues.send_message(QueueUrl=url, MessageBody="a")

    name = sometimes(GONE, attempt)
    passes(GONE, queues.get_queue_url, QueueName=name)
    until(lambda: name in listed(queues))


def test_the_name_of_a_deleted_queue_is_taken_for_a_minute(queues: Any) -> None:
    name, url = made(queues)
    queues.delete_queue(QueueUrl=url)
    refused(RECENT, queues.create_queue, QueueName=name)
    queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])  # it goes on for a while
    queues.delete_queue(QueueUrl=url)  # and can be deleted again meanwhile
    until(lambda: name not in listed(queues))
    refused(GONE, queues.get_queue_url, QueueName=name)
    assert name in passes(RECENT, queues.create_queue, QueueName=name)["QueueUrl"]
    passes(GONE, queues.get_queue_url, QueueName=name)
    assert name in listed(queues), "the deletion took the new queue with it"


def test_dead_letters_want_a_queue_that_is_known(queues: Any) -> None:
    """moto has another code for one that is missing, and knows a new one at once."""
    letters = "InvalidParameterValue:Dead letter target does not exist"
    assert letters in kind("sqs.queue").retry

    def redrive(target: str) -> dict[str, str]:
        arn = f"arn:aws:sqs:us-east-1:123456789012:{target}"
        return {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})}

    def attempt(name: str) -> None:
        queues.create_queue(QueueName=name)
        queues.create_queue(QueueName=f"{name}-work", Attributes=redrive(name))

    name = sometimes(letters, attempt)
    passes(letters, queues.create_queue, QueueName=f"{name}-work", Attributes=redrive(name))
    _, url = made(queues)
    refused(letters, queues.set_queue_attributes, QueueUrl=url, Attributes=redrive("nobodys"))


def test_attributes_show_later(queues: Any) -> None:
    _, url = made(queues)

    def shown() -> dict[str, str]:
        found: dict[str, str] = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return found

    queues.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "7"})
    assert shown()["DelaySeconds"] == "0" and "QueueArn" in shown()
    assert queues.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])["Attributes"] == {
        "DelaySeconds": "0"
    }
    until(lambda: shown()["DelaySeconds"] == "7")
