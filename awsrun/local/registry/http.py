"""The OCI distribution protocol on loopback: push and pull, bodies streamed to and from files.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md; what ECR does not have (deleting through the
registry) is refused here too: https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from awsrun.local.registry.catalog import ACCOUNT, Catalog, Manifest, digest_of, named
from awsrun.local.registry.exchange import Exchange, Refusal
from awsrun.local.registry.layers import PIECE, Layers, Mismatch
from awsrun.local.registry.passwords import Passwords

MOST_MANIFEST = 4 << 20  # bytes: https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html
_PATH = re.compile(
    r"/v2/(?P<name>.+?)/(?:(?P<uploads>blobs/uploads)/?(?P<upload>[0-9a-f]*)"
    r"|blobs/(?P<blob>[^/]+)|manifests/(?P<reference>[^/]+)|(?P<tags>tags/list))"
)
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html and what a pull takes.
_ACTIONS = {
    ("blob", "HEAD"): "BatchCheckLayerAvailability",
    ("blob", "GET"): "GetDownloadUrlForLayer",
    ("reference", "GET"): "BatchGetImage",
    ("reference", "HEAD"): "BatchGetImage",
    ("reference", "PUT"): "PutImage",
    ("tags", "GET"): "ListImages",
    ("upload", "PUT"): "CompleteLayerUpload",
    ("uploads", "POST"): "InitiateLayerUpload",
}
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_INDEX = "application/vnd.oci.image.index.v1+json"


class RegistryServer(ThreadingHTTPServer):
    """Listens at once; serves when told to.

    Args:
        address: host and port, 0 for any.

    Raises:
        OSError: the port is taken.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], catalog: Catalog, layers: Layers, passwords: Passwords) -> None:
        self.catalog, self.layers, self.passwords = catalog, layers, passwords
        self._used = catalog.used
        self._due = threading.Event()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without the base class's look-up of this machine's name, which may ask the network."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error."""

    def tidy(self) -> None:
        """Layers may have lost their image: delete what is not needed any more, soon."""
        self._due.set()

    def start(self) -> None:
        """Serve and tidy in threads of their own."""
        threading.Thread(target=self.serve_forever, daemon=True, name="registry").start()
        threading.Thread(target=self._keep_tidy, daemon=True, name="registry-tidy").start()

    def _keep_tidy(self) -> None:
        before: set[str] = set()
        while True:
            used = self._used()
            self.layers.sweep(used, before - used)
            before = used
            self._due.wait()
            self._due.clear()


class _Handler(Exchange):
    server: RegistryServer

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    # -- what is asked for -----------------------------------------------------------------------------------------

    def _answer(self) -> None:
        self.body = self.pieces()
        try:
            self._route()
        except Refusal as refusal:
            self.refuse(refusal)

    def _route(self) -> None:
        target = urlsplit(self.path)
        self._query = {key: values[-1] for key, values in parse_qs(target.query).items()}
        opened = self.server.passwords.opened(self.headers.get("Authorization", ""), time.time())
        if opened is None:
            raise Refusal(401, "UNAUTHORIZED", "log in with the password that ECR's GetAuthorizationToken gives")
        if target.path in ("/v2/", "/v2"):
            self.send(200, {"Content-Type": "application/json"}, b"{}")
            return
        parts = _PATH.fullmatch(unquote(target.path))
        if parts is None:
            raise Refusal(404, "UNSUPPORTED", "there is no such resource in this registry")
        (who, region), self._name = opened, parts["name"]
        self._region = region
        if not self.server.catalog.has(region, self._name):
            raise Refusal(
                404,
                "NAME_UNKNOWN",
                f"The repository with name '{self._name}' does not exist in the registry with id '{ACCOUNT}'",
            )
        what = next(key for key in ("upload", "uploads", "blob", "reference", "tags") if parts[key])
        if said := self.server.catalog.objection(who, region, self._name, _action(what, self.command)):
            raise Refusal(403, "DENIED", said)
        self._in_repository(what, parts)

    def _in_repository(self, what: str, parts: re.Match[str]) -> None:
        reads = self.command in ("GET", "HEAD")
        handlers: dict[tuple[str, str], Callable[[], None]] = {
            ("uploads", "POST"): self._begin,
            ("upload", "GET"): lambda: self._progress(parts["upload"], 204),
            ("upload", "PATCH"): lambda: self._continue(parts["upload"]),
            ("upload", "PUT"): lambda: self._finish(parts["upload"]),
            ("upload", "DELETE"): lambda: self._cancel(parts["upload"]),
            ("blob", "read"): lambda: self._blob(parts["blob"]),
            ("reference", "read"): lambda: self._manifest(parts["reference"]),
            ("reference", "PUT"): lambda: self._put(parts["reference"]),
            ("tags", "read"): self._tags,
        }
        verb = "read" if reads and what not in ("upload", "uploads") else self.command
        handler = handlers.get((what, verb))
        if handler is None:
            raise Refusal(405, "UNSUPPORTED", f"{self.command} is not supported; use ECR's API")
        handler()

    # -- layers ----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        layers, mount = self.server.layers, self._query.get("mount", "")
        if mount and layers.size(mount) is not None:
            self._blob_is_there(mount)
            return
        upload = layers.begin()
        if "digest" in self._query:
            self._finish(upload)
        else:
            self._progress(upload, 202)

    def _continue(self, upload: str) -> None:
        self._receive(upload)
        self._progress(upload, 202)

    def _finish(self, upload: str) -> None:
        self._receive(upload)
        digest = self._query.get("digest", "")
        try:
            self.server.layers.finish(upload, digest)
        except Mismatch as mismatch:
            raise Refusal(400, "DIGEST_INVALID", f"{mismatch}, not {digest}") from mismatch
        self._blob_is_there(digest)

    def _receive(self, upload: str) -> None:
        received = self.server.layers.received(upload)
        if received is None:
            raise _no_upload(upload)
        start = self.headers.get("Content-Range", "").partition("-")[0]
        if start.isdigit() and int(start) != received:
            raise Refusal(416, "BLOB_UPLOAD_INVALID", f"{received} bytes came so far: go on there")
        self.server.layers.append(upload, self.body)

    def _cancel(self, upload: str) -> None:
        self.server.layers.cancel(upload)
        self.send(204)

    def _progress(self, upload: str, status: int) -> None:
        received = self.server.layers.received(upload)
        if received is None:
            raise _no_upload(upload)
        location = f"/v2/{self._name}/blobs/uploads/{upload}"
        self.send(status, {"Location": location, "Range": f"0-{max(received - 1, 0)}", "Docker-Upload-UUID": upload})

    def _blob_is_there(self, digest: str) -> None:
        location = f"/v2/{self._name}/blobs/{digest}"
        self.send(201, {"Location": location, "Docker-Content-Digest": digest})

    def _blob(self, digest: str) -> None:
        size = self.server.layers.size(digest)
        if size is None:
            raise Refusal(404, "BLOB_UNKNOWN", f"there is no blob {digest}")
        start, end = self._range(size)
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(end - start),
            "Docker-Content-Digest": digest,
            "Accept-Ranges": "bytes",
        }
        if (start, end) != (0, size):
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        with self.server.layers.open(digest) as file:
            self.head(206 if "Content-Range" in headers else 200, headers)
            if self.command == "GET":
                file.seek(start)
                if end == size:
                    shutil.copyfileobj(file, self.wfile, PIECE)
                else:
                    self.wfile.write(file.read(end - start))

    def _range(self, size: int) -> tuple[int, int]:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            return 0, size
        start, end = int(asked[1]), min(int(asked[2] or size - 1) + 1, size)
        if start >= end:
            raise Refusal(416, "RANGE_INVALID", f"it has {size} bytes")
        return start, end

    # -- manifests -------------------------------------------------------------------------------------------------

    def _manifest(self, reference: str) -> None:
        found = self.server.catalog.manifest(self._region, self._name, reference)
        if found is None:
            raise Refusal(404, "MANIFEST_UNKNOWN", "Requested image not found")
        headers = {"Content-Type": found.media_type, "Docker-Content-Digest": found.digest}
        self.send(200, headers, found.content)

    def _put(self, reference: str) -> None:
        content = b"".join(self.limited(MOST_MANIFEST))
        digest, catalog = digest_of(content), self.server.catalog
        tag = None if ":" in reference else reference
        if tag is None and reference != digest:
            raise Refusal(400, "DIGEST_INVALID", f"it has digest {digest}")
        if tag is not None and not _TAG.fullmatch(tag):
            raise Refusal(400, "TAG_INVALID", f"{tag!r} is not a tag")
        manifest = Manifest(digest, self._checked(content), content)
        there = catalog.manifest(self._region, self._name, reference)
        if there is None or there.digest != digest:
            reply = catalog.put(self._region, self._name, manifest, tag)
            if reply.status >= 400:
                raise Refusal(reply.status, "MANIFEST_INVALID", reply.content.decode(errors="replace"))
        location = f"/v2/{self._name}/manifests/{digest}"
        self.send(201, {"Location": location, "Docker-Content-Digest": digest})

    def _checked(self, content: bytes) -> str:
        """The media type of a manifest all of whose parts are here."""
        try:
            parsed = json.loads(content)
            needed = named(parsed)
            given = str(parsed.get("mediaType") or self.headers.get("Content-Type") or _INDEX)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Refusal(400, "MANIFEST_INVALID", f"it is no manifest: {error}") from error
        catalog, layers = self.server.catalog, self.server.layers
        for digest in sorted(needed):
            if layers.size(digest) is None and catalog.manifest(self._region, self._name, digest) is None:
                raise Refusal(404, "MANIFEST_BLOB_UNKNOWN", f"it names {digest}, which was not pushed")
        return given

    def _tags(self) -> None:
        tags = [tag for tag in self.server.catalog.tags(self._region, self._name) if tag > self._query.get("last", "")]
        limit = int(self._query["n"]) if self._query.get("n", "").isdigit() else len(tags)
        headers = {"Content-Type": "application/json"}
        if limit and len(tags) > limit:
            headers["Link"] = f'</v2/{self._name}/tags/list?n={limit}&last={tags[limit - 1]}>; rel="next"'
        self.send(200, headers, json.dumps({"name": self._name, "tags": tags[:limit]}).encode())


def _action(what: str, method: str) -> str:
    """The right that a request takes; for anything else of an upload, that of its parts."""
    return _ACTIONS.get((what, method), "UploadLayerPart")


def _no_upload(upload: str) -> Refusal:
    return Refusal(404, "BLOB_UPLOAD_UNKNOWN", f"there is no upload {upload}")
