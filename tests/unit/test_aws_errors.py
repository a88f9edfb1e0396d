"""Errors as data: the engine's decisions rest on these."""

from pathlib import Path

import pytest
from botocore.exceptions import (
    ClientError,
    LoginRefreshRequired,
    ReadTimeoutError,
    RefreshWithMFAUnsupportedError,
    UnauthorizedSSOTokenError,
)

from awsrun.aws.errors import AwsrunError, code_of, login, matches, outcome
from awsrun.cli.main import _explain, _interrupted
from awsrun.jobs.submit.parameter import Parameter
from awsrun.jobs.submit.signature import Signature


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
        (UnauthorizedSSOTokenError(), "expired", "nothing was asked of AWS"),
        (RefreshWithMFAUnsupportedError(), "expired", "the session of a role with a second factor has ended"),
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


def test_a_notebook_shows_the_line_that_asked_and_no_page_of_frames() -> None:
    try:
        Signature(Path("job.py"), "train", {"lr": Parameter("lr", "float")}).parameter("lrr")
    except AwsrunError as error:
        asked, *told = error._render_traceback_()
    assert asked.endswith('.parameter("lrr")'), "the user's own line, not that of awsrun which raised"
    assert told == ["AwsrunError: job.py has no parameter 'lrr'\ntrain() takes lr: float\n→ did you mean 'lr'?"]


def test_ctrl_c_that_python_has_wrapped_is_still_ctrl_c() -> None:
    wrapped = RuntimeError("Error calling __set_name__ on an instance")  # as where it hits while a class is being made
    wrapped.__cause__ = KeyboardInterrupt()
    assert _interrupted(wrapped)
    assert not _interrupted(RuntimeError("no"))


def test_how_to_log_in_again_is_told_where_it_is_known() -> None:
    assert login(UnauthorizedSSOTokenError(), "lab") == "aws sso login --profile lab"
    assert login(LoginRefreshRequired()) == "aws login"
    assert login(refused("ExpiredToken")) == login(RefreshWithMFAUnsupportedError()) == ""


def test_a_login_that_ends_while_a_run_is_followed_is_no_trouble_with_the_network(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for error in (UnauthorizedSSOTokenError(), refused("ExpiredToken", "The security token has expired")):
        with pytest.raises(SystemExit):
            _explain(error)
        said = capsys.readouterr().err
        assert "does not take this login any more" in said and "what runs on AWS goes on" in said
