"""Websites: a public bucket that holds what is in a folder.

The bucket is the one kind that is open: its policy lets everybody read objects, and nothing else; nobody may list it,
ACLs stay blocked, and all objects belong to the account
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteAccessPermissionsReqd.html).

The files are compared by what one list says: S3's ETags are their MD5, as long as S3 itself encrypts and nothing is
uploaded in parts (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html), so both are seen to.  Which objects
are awsrun's is in a manifest beside them, which the policy keeps to the account.  It names a file before that is
uploaded and until it is deleted: whenever an apply is cut short, nothing of ours is taken for somebody else's.  What is
not in the manifest is data, and stays.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from awsrun.aws import embedded
from awsrun.aws.errors import matches, message_of
from awsrun.aws.rights import Right, allow
from awsrun.prices.price import Price, metered
from awsrun.prices.table import Prices
from awsrun.resources.kind import ABSENT, UNKNOWN, Change, Refs, Seen, State
from awsrun.resources.policies import Statement, canonical, policy
from awsrun.resources.s3 import PAGE, S3Kind, objects
from awsrun.resources.s3_site_spec import CONFIG, SiteSpec
from awsrun.resources.site_address import address
from awsrun.resources.site_files import PAGES, File, Files, headers_of, mark
from awsrun.spec.references import valued

MANIFEST = ".awsrun-site.json"
BLOCKS = frozenset({"BlockPublicAcls", "IgnorePublicAcls"})  # what stays on of Block Public Access
# What S3 says of a policy for everybody where Block Public Access is on, for this bucket (it was, a moment ago) or for
# the whole account: with its reason, or without
# (https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html,
# https://github.com/aws-samples/unishop-monolith-to-microservices/issues/47).
CLOSED_STILL = ("AccessDenied:BlockPublicPolicy", "AccessDenied:Access Denied")
REFUSED = "PublicPolicyRefused"
ENFORCED = "BucketOwnerEnforced"
STEP_FILES, STEP_BYTES = 2000, 128 << 20  # uploaded by one step at most, so that it can be stopped in between


@dataclass(frozen=True)
class SiteState(State):
    """``index``: empty where the bucket is no website, or has rules that are not ours; ``error``: empty for none."""

    blocks: frozenset[str]
    owner_enforced: bool
    index: str
    error: str
    files: Files
    policy: str


@dataclass(frozen=True)
class Contents:
    """All versions of all objects of a bucket: awsrun's own, those of others, and the manifest's."""

    mine: list[dict[str, str]]
    others: list[dict[str, str]]
    manifest: list[dict[str, str]]

    def of(self, key: str, manifest: Mapping[str, str]) -> list[dict[str, str]]:
        """Where a version of ``key`` belongs."""
        if key == MANIFEST:
            return self.manifest
        return self.mine if key in manifest else self.others


class Site(S3Kind[SiteSpec, SiteState]):
    kind = "s3.site"
    Spec = SiteSpec
    State = SiteState
    retry = S3Kind.retry | {REFUSED}
    advice: ClassVar[Mapping[str, str]] = {
        **S3Kind.advice,
        REFUSED: "this account lets no bucket be public: see S3, Block Public Access settings for this account; where "
        "they let public policies in, run the same again",
    }

    # -- what is wanted ---------------------------------------------------------------------------------------------

    def lower(self, spec: SiteSpec, refs: Refs) -> SiteState:
        bucket = self.physical(refs.stack, refs.name, spec)
        made = {CONFIG: _config(valued(spec.config, refs.output))} if spec.config else {}
        files = Files.of(Path(spec.folder), spec.cache, made)
        return SiteState(BLOCKS, True, spec.index, spec.error or "", files, self._policy(bucket))

    def price(self, state: SiteState, prices: Prices) -> Price:
        return metered((prices.rate("s3_gb_month"), "per GB and month stored, and what visitors load"))

    def rights(self, stack: str, specs: Mapping[str, SiteSpec]) -> Iterable[Right]:
        buckets = self.buckets(stack, specs)
        inside = [f"{bucket}/*" for bucket in buckets]
        settings = ("BucketOwnershipControls", "BucketPolicy", "BucketPublicAccessBlock", "BucketWebsite")
        yield from super().rights(stack, specs)
        yield allow("read", "s3", " ".join(["ListBucket", *(f"Get{one}" for one in settings)]), *buckets)
        yield allow("read", "s3", "GetObject", *(f"{bucket}/{MANIFEST}" for bucket in buckets))
        yield allow("update", "s3", " ".join(f"Put{one}" for one in settings), *buckets)
        yield allow("update", "s3", "PutObject DeleteObject", *inside)

    # -- what is there ----------------------------------------------------------------------------------------------

    def read(self, id: str) -> Seen[SiteState]:
        try:
            found = self.cloud.together(
                lambda: self.blocks(id),
                lambda: self._ownership(id),
                lambda: self._website(id),
                lambda: self._listed(id),
                lambda: self._manifest(id),
                lambda: self._policy_of(id),
            )
        except ClientError as error:
            if matches(error, self.absent):
                return ABSENT
            raise
        blocks, ownership, (index, error_page), listed, manifest, policy = found
        files = Files({key: mark(md5, manifest[key]) for key, md5 in listed.items() if key in manifest})
        state = SiteState(blocks, ownership == ENFORCED, index, error_page, files, policy)
        url = address(id, self.cloud.region, self._local_sites)
        return Seen(state, "ready", outputs={"name": id, "arn": self.arn(id), "url": url}, note=url)

    # -- making it so -----------------------------------------------------------------------------------------------

    def update(self, id: str, wanted: SiteState, seen: SiteState, changed: Collection[Change]) -> None:
        """Open it only when all is there."""
        s3, fields = self.cloud.write("s3"), {change.field for change in changed}
        if "owner_enforced" in fields:
            s3.put_bucket_ownership_controls(Bucket=id, OwnershipControls={"Rules": [{"ObjectOwnership": ENFORCED}]})
        if "blocks" in fields:
            self.block(id, wanted.blocks)
        if fields & {"index", "error"}:
            pages: dict[str, Any] = {"IndexDocument": {"Suffix": wanted.index}}
            pages |= {"ErrorDocument": {"Key": wanted.error}} if wanted.error else {}
            s3.put_bucket_website(Bucket=id, WebsiteConfiguration=pages)
        if "files" in fields:
            self._sync(id, wanted.files, seen.files)
        if "policy" in fields:
            self._publish(id, wanted.policy)

    def delete(self, id: str, seen: Seen[SiteState]) -> None:
        """What awsrun put there goes with the bucket; what others did holds it, and is still known to be theirs."""
        found = self._contents(id)
        if found.mine:
            self.erase(id, found.mine[:PAGE])
        if len(found.mine) > PAGE:
            return
        if found.manifest and not found.others:
            self.erase(id, found.manifest)
        super().delete(id, seen)

    def holder(self, id: str, seen: Seen[SiteState]) -> str:
        others = self._contents(id).others
        return f"{others[0]['Key']}, which awsrun did not put there" if others else ""

    # -- what others put there ----------------------------------------------------------------------------------------

    def holds(self, id: str) -> int:
        try:
            return len(self._contents(id).others)
        except ClientError as error:
            if matches(error, self.absent):
                return 0
            raise

    def empty(self, id: str) -> None:
        others = self._contents(id).others
        if others:
            self.erase(id, others[:PAGE])

    def _contents(self, id: str) -> Contents:
        manifest, found = self._manifest(id), Contents([], [], [])
        for page in self.s3.get_paginator("list_object_versions").paginate(Bucket=id):
            for one in objects(page):
                found.of(one["Key"], manifest).append(one)
        return found

    # -- files --------------------------------------------------------------------------------------------------------

    def _sync(self, id: str, wanted: Files, there: Files) -> None:
        """One step of making ``there`` what is ``wanted``; old files go only when all new ones are there."""
        uploads = wanted.uploads(there)
        now = _few(uploads, wanted)
        gone = wanted.gone(there) if len(now) == len(uploads) else []
        manifest = {key: headers_of(one) for key, one in there.items()}
        if now:
            self._note(id, manifest | dict.fromkeys(now, ""))
        pages = [key for key in now if Path(key).suffix in PAGES]
        for wave in ([key for key in now if key not in pages], pages):
            self.cloud.together(*(partial(self._upload, id, key, wanted.files[key]) for key in wave))
        for start in range(0, len(gone), PAGE):
            self.erase(id, [{"Key": key} for key in gone[start : start + PAGE]])
        done = manifest | {key: wanted.files[key].headers for key in now}
        self._note(id, {key: headers for key, headers in done.items() if key not in gone})

    def _upload(self, id: str, key: str, file: File) -> None:
        """Sent again where no answer came: it is the same once more.  S3's own encryption is asked for, so that the
        ETag is the MD5 whatever the account's default is."""
        self.s3.put_object(
            Bucket=id,
            Key=key,
            Body=file.read(),
            ContentType=file.type,
            CacheControl=file.cache,
            ServerSideEncryption="AES256",
        )

    def _note(self, id: str, manifest: Mapping[str, str]) -> None:
        body = json.dumps({"files": manifest}, sort_keys=True, separators=(",", ":")).encode()
        self.s3.put_object(Bucket=id, Key=MANIFEST, Body=body, ContentType="application/json")

    def _manifest(self, id: str) -> dict[str, str]:
        """Key of each object that is awsrun's -> what stands for its headers, empty while that is not sure."""
        body = self.unless("NoSuchKey", lambda: self.s3.get_object(Bucket=id, Key=MANIFEST)["Body"].read(), b"")
        try:
            return dict(json.loads(body)["files"]) if body else {}
        except (ValueError, KeyError, TypeError):  # somebody wrote over it
            return {}

    def _listed(self, id: str) -> dict[str, str]:
        """Key -> ETag of all objects."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=id)
        return {one["Key"]: one["ETag"].strip('"') for page in pages for one in page.get("Contents", [])}

    # -- settings -----------------------------------------------------------------------------------------------------

    def _ownership(self, id: str) -> str:
        key = "OwnershipControls"
        rules: list[dict[str, str]] = self.unless(
            f"{key}NotFoundError", lambda: self.s3.get_bucket_ownership_controls(Bucket=id)[key]["Rules"], []
        )
        return rules[0]["ObjectOwnership"] if rules else ""

    def _website(self, id: str) -> tuple[str, str]:
        """Its page of a folder and its page of errors; both empty for no website, and for one with other rules."""
        nothing: dict[str, Any] = {}
        found = self.unless("NoSuchWebsiteConfiguration", lambda: self.s3.get_bucket_website(Bucket=id), nothing)
        if "RedirectAllRequestsTo" in found or found.get("RoutingRules"):
            return "", ""
        return found.get("IndexDocument", {}).get("Suffix", ""), found.get("ErrorDocument", {}).get("Key", "")

    def _publish(self, id: str, policy: str) -> None:
        try:
            self.cloud.write("s3").put_bucket_policy(Bucket=id, Policy=policy)
        except ClientError as error:
            if not matches(error, CLOSED_STILL):
                raise
            answer: Any = {"Error": {"Code": REFUSED, "Message": message_of(error)}}
            raise ClientError(answer, "PutBucketPolicy") from error

    def _policy_of(self, id: str) -> str:
        found = self.unless("NoSuchBucketPolicy", lambda: self.s3.get_bucket_policy(Bucket=id)["Policy"], "")
        return canonical(found) if found else ""

    def _policy(self, bucket: str) -> str:
        """Everybody reads objects, but the manifest, which would be a list of them.

        Of who is not signed in, the condition's key says nothing, or ``anonymous``: other than the account
        (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html).
        """
        read = {"Principal": "*", "Action": "s3:GetObject"}
        others = {"StringNotEquals": {"aws:PrincipalAccount": self.cloud.account}}
        arn = self.arn(bucket)
        statements: list[Statement] = [
            {"Sid": "Files", "Effect": "Allow", **read, "Resource": f"{arn}/*"},
            {"Sid": "Manifest", "Effect": "Deny", **read, "Resource": f"{arn}/{MANIFEST}", "Condition": others},
        ]
        return policy(statements)

    @cached_property
    def _local_sites(self) -> str:
        """Where the embedded cloud shows websites; empty for AWS."""
        return embedded.sites(self.cloud.endpoint_url)


def _config(values: Mapping[str, Any]) -> Any:
    if any(one is UNKNOWN for one in values.values()):
        return UNKNOWN
    return (json.dumps(values, indent=2, ensure_ascii=False, sort_keys=True) + "\n").encode()


def _few(keys: list[str], wanted: Files) -> list[str]:
    """As many of ``keys`` as one step uploads, one at least."""
    size = 0
    few: list[str] = []
    for key in keys[:STEP_FILES]:
        size += wanted.files[key].size
        if few and size > STEP_BYTES:
            break
        few.append(key)
    return few
