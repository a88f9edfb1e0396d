"""Long polls of SQS: they end with the first message, or in time, and keep nobody from anything."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import LocalCloud


@pytest.fixture
def sqs(local_cloud: LocalCloud) -> Any:
    return local_cloud.client("sqs")


def test_a_poll_waits_for_the_message_that_comes_meanwhile(sqs: Any) -> None:
    url = sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    with ThreadPoolExecutor(1) as threads:
        poll = threads.submit(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=20)
        time.sleep(0.2)
        assert not poll.done()
        began = time.monotonic()
        sqs.send_message(QueueUrl=url, MessageBody="here")
        assert [one["Body"] for one in poll.result()["Messages"]] == ["here"]
        assert time.monotonic() - began < 15, "it did not wait to the end"


def test_a_queue_may_say_how_long(sqs: Any) -> None:
    name = f"q-{uuid.uuid4().hex[:8]}"
    url = sqs.create_queue(QueueName=name, Attributes={"ReceiveMessageWaitTimeSeconds": "1"})["QueueUrl"]
    began = time.monotonic()
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    assert time.monotonic() - began >= 1
    with pytest.raises(ClientError, match="WaitTimeSeconds is invalid"):
        sqs.receive_message(QueueUrl=url, WaitTimeSeconds=21)
    with pytest.raises(ClientError, match=r"NonExistentQueue|does not exist"):
        sqs.receive_message(QueueUrl=url + "-gone", WaitTimeSeconds=20)
