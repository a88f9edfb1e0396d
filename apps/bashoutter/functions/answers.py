"""What the four functions share: the table, and answers that pages of other origins may read."""

import json
import os
from typing import Any

import boto3

table: Any = boto3.resource("dynamodb").Table(os.environ["TABLE"])


def answer(status: int, body: Any = None) -> dict[str, Any]:
    """An answer as API Gateway takes it; without a body for None."""
    headers = {"Access-Control-Allow-Origin": "*"}
    if body is None:
        return {"statusCode": status, "headers": headers, "body": ""}
    headers["Content-Type"] = "application/json; charset=utf-8"
    return {"statusCode": status, "headers": headers, "body": json.dumps(body, ensure_ascii=False)}


def said(status: int, description: str) -> dict[str, Any]:
    """An answer of one sentence."""
    return answer(status, {"description": description})
