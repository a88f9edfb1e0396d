"""A table that does not answer, for whatever reason, is asked again; what is refused is not."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from awsrun.cli import main
from awsrun.worker.protocol.dynamodb import DynamoTable
from awsrun.worker.protocol.patience import LONG, PatientTable
from awsrun.worker.protocol.table import Unanswered


def refused(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetItem")  # type: ignore[typeddict-item]


class Flaky:
    """A DynamoDB client whose answers are lost: raises each error once, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def _next(self) -> None:
        if self.errors:
            raise self.errors.pop(0)

    def get_item(self, **_: Any) -> dict[str, Any]:
        self._next()
        return {"Item": {"pk": {"S": "a"}, "sk": {"S": "b"}}}

    def query(self, **request: Any) -> dict[str, Any]:
        self._next()
        if "ExclusiveStartKey" in request:
            return {"Items": [{"sk": {"S": "2"}}]}
        self.errors += self.later
        self.later: list[Exception] = []
        return {"Items": [{"sk": {"S": "1"}}], "LastEvaluatedKey": {"sk": {"S": "1"}}}

    later: list[Exception] = []  # noqa: RUF012  raised between the pages


SILENCE = [
    EndpointConnectionError(endpoint_url="https://dynamodb"),
    ConnectTimeoutError(endpoint_url="https://dynamodb"),
    ReadTimeoutError(endpoint_url="https://dynamodb"),
    CredentialRetrievalError(provider="container-role", error_msg="429"),
    refused("InternalFailure", 500),
    refused("ServiceUnavailable", 503),
    refused("ThrottlingException", 400),
]


@pytest.mark.parametrize("error", SILENCE, ids=lambda error: type(error).__name__)
def test_no_answer_is_no_answer_whatever_botocore_calls_it(error: Exception) -> None:
    with pytest.raises(Unanswered):
        DynamoTable(Flaky(error), "t").get("a", "b")


def test_a_refusal_is_an_answer() -> None:
    table = PatientTable(DynamoTable(Flaky(refused("AccessDeniedException", 400)), "t"), sleep=pytest.fail)
    with pytest.raises(ClientError, match="AccessDenied"):
        table.get("a", "b")


def test_a_worker_reads_until_it_is_answered_for_a_quarter_of_an_hour(capsys: pytest.CaptureFixture[str]) -> None:
    waits: list[float] = []
    table = PatientTable(DynamoTable(Flaky(*SILENCE), "t"), sleep=waits.append)
    assert table.get("a", "b") == {"pk": "a", "sk": "b"}
    assert waits == list(LONG[: len(SILENCE)]) and 800 < sum(LONG) < 1000
    assert "the table does not answer (get_item: Could not connect" in capsys.readouterr().out
    never = PatientTable(DynamoTable(Flaky(*SILENCE), "t"), sleep=waits.append, pauses=(1.0, 2.0))
    with pytest.raises(Unanswered):
        never.get("a", "b")


def test_a_query_that_is_cut_off_between_two_pages_starts_again() -> None:
    client, waits = Flaky(), list[float]()
    client.later = [SILENCE[0]]
    assert [item["sk"] for item in PatientTable(DynamoTable(client, "t"), sleep=waits.append).query("a")] == ["1", "2"]
    assert len(waits) == 1


def test_a_command_says_that_the_table_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Unanswered) as unanswered:
        DynamoTable(Flaky(SILENCE[0]), "t").get("a", "b")
    with pytest.raises(SystemExit):
        main._explain(unanswered.value)
    assert capsys.readouterr().err == (
        'awsrun: the runs table does not answer: get_item: Could not connect to the endpoint URL: "https://dynamodb"\n'
        "→ run the command again\n"
    )
