"""Websites of buckets in the embedded cloud, as any HTTP client sees them; and that they are kept over a kill."""

from __future__ import annotations

import http.client
import json
import urllib.request
import uuid
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import LocalCloud

PAGES = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "lost.html"}}
FILES = {
    "index.html": ("text/html", b"<p>first"),
    "below/index.html": ("text/html", b"<p>below"),
    "lost.html": ("text/html", b"<p>lost"),
    "a b.css": ("text/css", b"0123456789"),
    "private/x.txt": ("text/plain", b"secret"),
}


def sites(cloud: LocalCloud) -> str:
    with urllib.request.urlopen(f"{cloud.endpoint}/_awsrun/health") as answer:
        return str(json.load(answer)["sites"])


def policy(bucket: str) -> str:
    read = {"Principal": "*", "Action": "s3:GetObject"}
    mine = {"StringNotEquals": {"aws:PrincipalAccount": "123456789012"}}
    statements = [
        {"Effect": "Allow", **read, "Resource": f"arn:aws:s3:::{bucket}/*"},
        {"Effect": "Deny", **read, "Resource": f"arn:aws:s3:::{bucket}/private/*", "Condition": mine},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def make(cloud: LocalCloud) -> str:
    """A website; its bucket's name."""
    s3, bucket = cloud.client("s3"), f"site-{uuid.uuid4().hex[:10]}"
    s3.create_bucket(Bucket=bucket)
    for key, (type, body) in FILES.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=type, CacheControl="no-cache")
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=PAGES)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket))
    return bucket


@pytest.fixture(scope="module")
def bucket(local_cloud: LocalCloud) -> str:
    return make(local_cloud)


def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body, redirections not followed."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port or 0, timeout=10)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, where.path, headers=sent)
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return found


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("", 200, b"<p>first"),
        ("index.html", 200, b"<p>first"),
        ("below/", 200, b"<p>below"),
        ("a%20b.css", 200, b"0123456789"),
        ("nowhere", 404, b"<p>lost"),
        ("nowhere/", 404, b"<p>lost"),
        ("private/x.txt", 403, b"<p>lost"),
        ("private/y.txt", 404, b"<p>lost"),
        ("?list-type=2", 200, b"<p>first"),
    ],
)
def test_a_path_shows_its_page(local_cloud: LocalCloud, bucket: str, path: str, status: int, body: bytes) -> None:
    url = f"{sites(local_cloud)}/{bucket}/{path}"
    found, headers, said = ask(url)
    assert (found, said) == (status, body)
    assert headers["Content-Type"] in ("text/html", "text/css")
    at_the_root = ask(f"{sites(local_cloud)}/{path}", Host=f"{bucket}.localhost")
    assert at_the_root[::2] == (status, body)
    only_headers = ask(url, "HEAD")
    assert only_headers[0] == status and only_headers[2] == b""
    assert int(only_headers[1]["Content-Length"]) == len(body)


def test_folders_without_their_slash_are_redirected(local_cloud: LocalCloud, bucket: str) -> None:
    base = sites(local_cloud)
    assert ask(f"{base}/{bucket}/below")[1]["Location"] == f"/{bucket}/below/"
    assert ask(f"{base}/{bucket}")[1]["Location"] == f"/{bucket}/"
    assert ask(f"{base}/below", Host=f"{bucket}.localhost")[1]["Location"] == "/below/"


def test_what_a_browser_has_already_is_not_sent_again(local_cloud: LocalCloud, bucket: str) -> None:
    url = f"{sites(local_cloud)}/{bucket}/a%20b.css"
    _, headers, _ = ask(url)
    assert headers["Cache-Control"] == "no-cache"
    for condition in ({"If_None_Match": headers["ETag"]}, {"If_Modified_Since": headers["Last-Modified"]}):
        assert ask(url, **condition)[::2] == (304, b"")
    assert ask(url, If_None_Match='"another"', If_Modified_Since=headers["Last-Modified"])[0] == 200
    ranges = {"bytes=2-4": b"234", "bytes=7-": b"789", "bytes=-2": b"89", "bytes=8-99": b"89"}
    for wanted, body in ranges.items():
        assert ask(url, Range=wanted)[::2] == (206, body)
    assert ask(url, Range="bytes=2-4")[1]["Content-Range"] == "bytes 2-4/10"
    assert ask(url, Range="bytes=10-")[0] == 416


def test_what_is_no_website_says_so(local_cloud: LocalCloud, bucket: str) -> None:
    base, s3, plain = sites(local_cloud), local_cloud.client("s3"), f"plain-{uuid.uuid4().hex[:10]}"
    s3.create_bucket(Bucket=plain)
    s3.put_object(Bucket=plain, Key="index.html", Body=b"x")
    for url, code in ((f"{base}/nobodys/", "NoSuchBucket"), (f"{base}/{plain}/", "NoSuchWebsiteConfiguration")):
        status, headers, body = ask(url)
        assert (status, headers["x-amz-error-code"]) == (404, code) and code.encode() in body
    assert ask(f"{base}/{bucket}/", "POST")[0] == 405
    s3.put_bucket_website(Bucket=plain, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    assert ask(f"{base}/{plain}/")[0] == 403, "a website is not public by being one"
    status, _, body = ask(f"{base}/{plain}/%3Cscript%3E")
    assert status == 404 and b"<script>" not in body and b"&lt;script&gt;" in body
    s3.put_bucket_policy(Bucket=plain, Policy=policy(plain))
    assert ask(f"{base}/{plain}/")[0] == 200
    s3.put_public_access_block(Bucket=plain, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    assert ask(f"{base}/{plain}/")[0] == 403


def test_the_account_itself_reads_what_others_may_not(local_cloud: LocalCloud, bucket: str) -> None:
    body = local_cloud.client("s3").get_object(Bucket=bucket, Key="private/x.txt")["Body"].read()
    assert body == b"secret"


def test_a_website_is_there_after_a_kill_and_where_it_was(fresh_cloud: Any) -> None:
    name, before = make(fresh_cloud), sites(fresh_cloud)
    fresh_cloud.kill()
    fresh_cloud.start()
    assert sites(fresh_cloud) == before
    assert ask(f"{before}/{name}/")[::2] == (200, b"<p>first")
