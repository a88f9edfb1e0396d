"""Which errors of botocore's are no answer: whoever asked may ask again."""

from __future__ import annotations

THROTTLED = frozenset(
    {"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded", "SlowDown"}
)
"""Refused for now, after botocore's own repeats: as good as unanswered, the caller waits and repeats."""


def silent(error: BaseException) -> bool:
    """Whether a call was not answered, or only put off: a lost connection, an error of AWS's own, a throttle."""
    from boto3.exceptions import RetriesExceededError, S3UploadFailedError
    from botocore import exceptions as boto

    if isinstance(error, S3UploadFailedError) and error.__context__ is not None:
        return silent(error.__context__)
    if isinstance(error, boto.ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or error.response.get("Error", {}).get("Code") in THROTTLED | {"RequestTimeout"}
    lost = (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError, boto.CredentialRetrievalError)
    return isinstance(error, (*lost, RetriesExceededError))
