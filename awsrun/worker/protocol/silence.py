"""No answer from AWS, whatever botocore calls it."""

from __future__ import annotations

THROTTLED = frozenset(
    {"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded", "SlowDown"}
)
"""Refused for now, after botocore's own repeats: as good as unanswered, the caller waits and repeats."""


def silent(error: BaseException) -> bool:
    """Whether a call was not answered, or is to be made again later; a refusal is an answer."""
    from boto3.exceptions import RetriesExceededError, S3UploadFailedError
    from botocore.exceptions import ClientError, ConnectionError, CredentialRetrievalError, HTTPClientError

    if isinstance(error, S3UploadFailedError) and error.__context__ is not None:
        error = error.__context__
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return code in THROTTLED or code == "RequestTimeout" or status >= 500
    return isinstance(error, (HTTPClientError, ConnectionError, CredentialRetrievalError, RetriesExceededError))
