"""Errors as data: the engine's decisions rest on these."""

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from awsrun.aws.errors import code_of, matches, outcome


def refused(code: str, message: str = "", status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "X"
    )


@pytest.mark.parametrize(
    ("error", "expected", "reason"),
    [
        (refused("Throttling"), "throttled", "a throttled call did nothing"),
        (refused("RequestLimitExceeded", status=503), "throttled", "EC2 throttles with a 503: still nothing was done"),
        (refused("SlowDown", status=503), "throttled", "S3 throttles with a 503"),
        (refused("LimitExceededException", "Rate exceeded"), "throttled", "a rate, not a quota"),
        (refused("LimitExceededException", "1000 roles"), "refused", "a quota does not pass by waiting"),
        (refused("ExpiredToken"), "expired", "the user must log in again"),
        (refused("InternalError", status=500), "unknown", "a 5xx may have been done"),
        (refused("DependencyViolation"), "refused", "AWS said no and did nothing"),
        (ReadTimeoutError(endpoint_url="http://x"), "unknown", "the answer was lost, not the call"),
        (ConnectionResetError(), "unknown", "a dropped connection may have been done"),
    ],
)
def test_outcome_of_a_mutating_call(error: Exception, expected: str, reason: str) -> None:
    assert outcome(error) == expected, reason


def test_one_code_for_everything_is_told_apart_by_its_text() -> None:
    error = refused("ClientException", "Cannot delete, found existing JobQueue relationship")
    assert matches(error, {"ClientException:found existing jobqueue relationship"})
    assert not matches(error, {"ClientException:does not exist"})
    assert matches(error, {"ClientException"})
    assert not matches(ValueError("ClientException"), {"ClientException"}), "only AWS's own errors have codes"


def test_an_error_without_a_response_has_no_code() -> None:
    assert code_of(ValueError("x")) == ""
