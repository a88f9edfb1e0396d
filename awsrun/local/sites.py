"""The websites of S3 buckets, over HTTP on loopback: what S3's website endpoints answer, on a port of its own.

``http://127.0.0.1:PORT/BUCKET/`` works in every client; ``http://BUCKET.localhost:PORT/`` where names below localhost
are known (browsers, curl), and is like AWS in that the website begins at the root.  The port is not that of AWS's
calls, so that a page is as foreign to those and to REST APIs as it is on AWS: browsers ask for CORS.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteEndpoints.html (GET and HEAD alone),
IndexDocumentSupport.html (a folder without its slash is redirected), CustomErrorDocSupport.html (an error page goes
with the error's own status), WebsiteAccessPermissionsReqd.html (404 for what is not there, 403 for what is not public).
Routing rules, redirections of all requests and ACLs are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from html import escape
from http import HTTPStatus
from threading import RLock
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from awsrun.local.calls import Call, Reply
from awsrun.local.iam.directory import Directory

Allowed = Callable[[str, str], bool]
_NAMES = ".localhost"
_SENT = ("Content-Type", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
# Code and message of S3 -> status.
_ERRORS = {
    "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
    "NoSuchBucket": (404, "The specified bucket does not exist"),
    "NoSuchKey": (404, "The specified key does not exist."),
    "NoSuchWebsiteConfiguration": (404, "The specified bucket does not have a website configuration"),
    "AccessDenied": (403, "Access Denied"),
    "InvalidRange": (416, "The requested range is not satisfiable"),
}


@dataclass(frozen=True)
class Site:
    """A bucket as a website.

    Attributes:
        record: moto's.
        root: where its paths begin.
        index, error: its pages; ``error`` empty for none.
    """

    record: Any
    root: str
    index: str
    error: str


class Sites:
    """Answers requests for pages.

    Args:
        lock: the world's.
        allowed: whether anybody may read an object, given the bucket and the key.
    """

    def __init__(self, lock: RLock, directory: Directory, allowed: Allowed) -> None:
        self._lock, self._directory, self._allowed = lock, directory, allowed

    def answer(self, call: Call) -> Reply:
        """What a website endpoint answers."""
        path = call.path.encode("latin-1").decode("utf-8", "replace")
        host = call.environ.get("HTTP_HOST", "").partition(":")[0]
        if host.endswith(_NAMES):
            bucket, root, key = host.removesuffix(_NAMES), "/", path.removeprefix("/")
        else:
            bucket, slash, key = path.removeprefix("/").partition("/")
            root = f"/{bucket}/"
            if bucket and not slash:
                return _redirect(root)
        with self._lock:
            record = self._directory.backend("s3").buckets.get(bucket)
            if record is None:
                return _failed("NoSuchBucket", BucketName=bucket)
            pages = _pages(record.website_configuration)
            if pages is None:
                return _failed("NoSuchWebsiteConfiguration", BucketName=bucket)
            return self._page(call, Site(record, root, *pages), key)

    def _page(self, call: Call, site: Site, key: str) -> Reply:
        if call.method not in ("GET", "HEAD"):
            return _failed("MethodNotAllowed", Method=call.method)
        wanted = f"{key}{site.index}" if key == "" or key.endswith("/") else key
        found = self._object(site, wanted)
        if found is None and wanted == key and self._object(site, f"{key}/{site.index}") is not None:
            return _redirect(f"{site.root}{quote(key)}/")
        if found is None:
            return self._error(site, "NoSuchKey", Key=wanted)
        if not self._allowed(site.record.name, wanted):
            return self._error(site, "AccessDenied")
        if found.website_redirect_location:
            return _redirect(found.website_redirect_location, 301)
        return _content(call, found)

    def _error(self, site: Site, code: str, **facts: str) -> Reply:
        """The website's own page of errors, where it has one that everybody may read."""
        found = self._object(site, site.error) if site.error else None
        if found is None or not self._allowed(site.record.name, site.error):
            return _failed(code, **facts)
        return Reply(_ERRORS[code][0], _headers(found), found.value)

    def _object(self, site: Site, key: str) -> Any:
        """moto's record of an object; None where it is not there, or was deleted in a bucket with versions."""
        found = site.record.keys.get(key)
        return found if hasattr(found, "value") else None


def _pages(configuration: bytes | None) -> tuple[str, str] | None:
    """The pages of a website configuration; None for no website."""
    if not configuration:
        return None
    root = ElementTree.fromstring(configuration)
    space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
    index = root.findtext(f"{space}IndexDocument/{space}Suffix", "")
    return (index, root.findtext(f"{space}ErrorDocument/{space}Key", "")) if index else None


def _content(call: Call, found: Any) -> Reply:
    """An object, or the part of it that is asked for, or that it is the same as before."""
    headers = _headers(found)
    if _same(call, found):
        return Reply(304, [one for one in headers if not one[0].startswith("Content-")])
    whole = found.value
    asked = _RANGE.fullmatch(call.environ.get("HTTP_RANGE", ""))
    if not asked or not any(asked.groups()):
        return Reply(200, headers, whole)
    first, last = asked.groups()
    start = int(first) if first else max(0, len(whole) - int(last))
    stop = min(int(last) + 1, len(whole)) if first and last else len(whole)
    if start >= stop:
        refused = _failed("InvalidRange")
        return replace(refused, headers=[*refused.headers, ("Content-Range", f"bytes */{len(whole)}")])
    return Reply(206, [*headers, ("Content-Range", f"bytes {start}-{stop - 1}/{len(whole)}")], whole[start:stop])


def _same(call: Call, found: Any) -> bool:
    """Whether the client has it already (RFC 9110, 13.1: an ETag counts before a date)."""
    tags = call.environ.get("HTTP_IF_NONE_MATCH")
    if tags is not None:
        known = {tag.strip().removeprefix("W/") for tag in tags.split(",")}
        return found.etag in known or "*" in known
    try:
        since = parsedate_to_datetime(call.environ["HTTP_IF_MODIFIED_SINCE"])
        return bool(parsedate_to_datetime(found.last_modified_RFC1123) <= since)
    except (KeyError, ValueError, TypeError):
        return False


def _headers(found: Any) -> list[tuple[str, str]]:
    kept = {str(name).lower(): str(value) for name, value in found.metadata.items()}
    sent = [(name, kept[name.lower()]) for name in _SENT if name.lower() in kept]
    about = [("ETag", found.etag), ("Last-Modified", found.last_modified_RFC1123), ("Accept-Ranges", "bytes")]
    return [*sent, *about, ("Server", "AmazonS3")]


def _redirect(location: str, status: int = 302) -> Reply:
    return Reply(status, [("Location", location)])


def _failed(code: str, **facts: str) -> Reply:
    """A page as S3 has them where a website has none of its own."""
    status, message = _ERRORS[code]
    title = f"{status} {HTTPStatus(status).phrase}"
    listed = "".join(
        f"<li>{escape(k)}: {escape(v)}</li>" for k, v in {"Code": code, "Message": message, **facts}.items()
    )
    body = f"<html><head><title>{title}</title></head><body><h1>{title}</h1><ul>{listed}</ul></body></html>\n"
    headers = [("Content-Type", "text/html; charset=utf-8"), ("x-amz-error-code", code)]
    headers += [("Allow", "GET, HEAD")] if status == 405 else []
    return Reply(status, headers, body.encode())
