"""Key pairs: AWS has the public half, which it puts on new instances; the private half never leaves this machine.

A private key is made here and its public half imported.  CreateKeyPair would make both in AWS and answer once with the
private one: if that answer is lost, so is the key, for ever, and a pair is there that lets nobody in
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateKeyPair.html).  A local key is on disk before the call
and can be imported again; and no answer of AWS, log or proxy ever holds it.

Where the private half lies is in the pair's tags, so that ``awsrun ssh`` and a teardown find it without the spec, and
another machine can say which one has it.  What a pair consists of cannot change in AWS; instances keep the public half
that they were started with.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from awsrun.aws.errors import AwsrunError
from awsrun.aws.names import physical
from awsrun.aws.tags import NAME, STACK
from awsrun.resources import key_files
from awsrun.resources.ec2 import Ec2Kind
from awsrun.resources.kind import REPLACE, Owner, Refs, Seen, State
from awsrun.resources.security_group import TEXT
from awsrun.spec.paths import NewPath, placed
from awsrun.spec.references import ResourceSpec

KEY_FILE = "awsrun:key-file"  # tag: where the private half lies, as far as that is known
MADE_ON = "awsrun:key-made-on"  # tag: the host that made it; only on pairs whose key awsrun made
TAG_VALUE = 256  # characters, at most


class KeyPairSpec(ResourceSpec):
    """A key for SSH. Made here (ed25519) unless `public_key` names one that you have. It costs nothing."""

    outputs = ("fingerprint", "id", "name", "path")
    example = """
    key: {kind: key_pair}
    """
    kind: Literal["key_pair"] = "key_pair"
    name: str | None = Field(default=None, max_length=255, pattern=TEXT, description="Physical name.")
    public_key: str | None = Field(
        default=None,
        description="A public key of yours: its file (~/.ssh/id_ed25519.pub), or the key itself (ssh-ed25519 AAAA...). "
        "Nothing of yours is ever deleted.",
    )
    path: NewPath | None = Field(
        default=None,
        description="Where the private key is written (0400) when it is made; by default below awsrun's own data "
        "directory. It is deleted with the key pair.",
    )

    @field_validator("public_key")
    @classmethod
    def _public(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        value = value.strip()
        if not value.startswith(key_files.TYPES):
            value = str(placed(value, info))
        try:
            _public_key(value)
        except OSError as error:
            raise ValueError(f"cannot read {value}: {error.strerror}") from None
        except ValueError as error:
            raise ValueError(f"{value} {error}") from None
        return value

    @model_validator(mode="after")
    def _one_source(self) -> KeyPairSpec:
        if self.public_key and self.path:
            raise ValueError("path is where a key is made: leave it out with public_key")
        return self


@dataclass(frozen=True)
class Source:
    """What is known of a key beside AWS; it never makes a difference, to names neither.

    Attributes:
        public: the line of the public half; empty for one that is still to be made.
        file: where the private half lies; empty for the default, or where nobody knows.
        purpose: the comment of a key that awsrun made.
        host: which machine made it.
    """

    public: str = field(default="", compare=False, repr=False)
    file: str = field(default="", compare=False, repr=False)
    purpose: str = field(default="", compare=False, repr=False)
    host: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True)
class KeyPairState(State):
    """``fingerprint``: None for a key that awsrun makes: whatever it is.  ``own``: it is the user's."""

    fingerprint: Annotated[str | None, REPLACE]
    own: Annotated[bool, REPLACE]
    source: Annotated[Source, REPLACE]


class KeyPair(Ec2Kind[KeyPairSpec, KeyPairState]):
    kind = "key_pair"
    Spec = KeyPairSpec
    State = KeyPairState
    identity = "name"
    hashed = True
    name_limit = 255
    usual = 1.0
    absent = frozenset({"InvalidKeyPair.NotFound"})
    exists = frozenset({"InvalidKeyPair.Duplicate"})

    lists = ("describe_key_pairs", "KeyPairs")
    id_key = "KeyName"
    type_name = "key-pair"
    actions: ClassVar[Mapping[str, str]] = {"create": "ImportKeyPair", "delete": "DeleteKeyPair"}
    inside = False

    def lower(self, spec: KeyPairSpec, refs: Refs) -> KeyPairState:
        if spec.public_key is None:
            file = key_files.collapsed(spec.path) if spec.path else ""
            return KeyPairState(None, False, Source(file=file))
        key = _public_key(spec.public_key)
        return KeyPairState(key.fingerprint, True, Source(key.line, _private_of(spec.public_key)))

    def physical(self, stack: str, name: str, spec: KeyPairSpec, state: KeyPairState | None = None) -> str:
        """Only a user's own key can give way to another one, which then needs another name."""
        if spec.name or (state is not None and state.own):
            return super().physical(stack, name, spec, state)
        return physical(stack, name, self.name_limit)

    def seen(self, entry: Mapping[str, Any], tags: Mapping[str, str]) -> Seen[KeyPairState]:
        outputs = {"id": entry["KeyPairId"], "name": entry["KeyName"]}
        try:
            key = key_files.parse(entry.get("PublicKey", ""))
        except ValueError as error:
            return Seen(None, "broken", f"its public key {error}", outputs)
        purpose = key_files.purpose(self.cloud.context, tags.get(STACK, ""), tags.get(NAME, ""))
        source = Source(key.line, tags.get(KEY_FILE, ""), purpose, tags.get(MADE_ON, ""))
        outputs |= {"path": source.file, "fingerprint": key.fingerprint}
        said = _absence(source) if source.host else ""
        return Seen(KeyPairState(key.fingerprint, not source.host, source), "ready", said, outputs, said)

    def create(self, state: KeyPairState, owner: Owner) -> str:
        """The private key is on disk before the call; a repeat imports the same one."""
        if state.own:
            public, marks = state.source.public, {KEY_FILE: state.source.file} if state.source.file else {}
        else:
            context = self.cloud.context
            file = state.source.file or key_files.collapsed(key_files.default_path(context, owner.physical))
            if len(file) > TAG_VALUE:
                why = "where it is is kept in a tag, which has at most 256 characters"
                raise AwsrunError(f"the path of the private key is too long: {file}", why, "give a shorter path:")
            made = key_files.make(key_files.placed(file), key_files.purpose(context, owner.stack, owner.name))
            public, marks = made.line, {KEY_FILE: file, MADE_ON: socket.gethostname()[:TAG_VALUE]}
        self.ec2.import_key_pair(
            KeyName=owner.physical, PublicKeyMaterial=public.encode(), TagSpecifications=self.tagged(owner, **marks)
        )
        return owner.physical

    def tag(self, id: str, set: Mapping[str, str], unset: Any) -> None:
        """Tags go by AWS's own id."""
        for entry in self._list(KeyNames=[id]):
            super().tag(entry["KeyPairId"], set, unset)

    def delete(self, id: str, seen: Seen[KeyPairState]) -> None:
        """By AWS's id: the name may be somebody else's by now.  The private key on this machine goes with it."""
        source = seen.state.source if seen.state is not None else Source()
        with key_files.removed(key_files.placed(source.file), source.purpose) if source.host else nullcontext():
            self.ec2.delete_key_pair(KeyPairId=seen.outputs["id"])

    def left_behind(self, seen: Seen[KeyPairState]) -> str:
        if seen.state is None or not seen.state.source.host:
            return ""
        source = seen.state.source
        if _half_here(source) is not None:
            return ""
        return f"its private key is not on this machine: delete {source.file} on {source.host}"

    def _list(self, **arguments: Any) -> Iterator[Mapping[str, Any]]:
        """Never in pages (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeKeyPairs.html)."""
        yield from self.cloud.read("ec2").describe_key_pairs(IncludePublicKey=True, **arguments)["KeyPairs"]


def _public_key(value: str) -> key_files.PublicKey:
    """The key that a spec's ``public_key`` is, or names the file of."""
    return key_files.parse(value if value.startswith(key_files.TYPES) else Path(value).read_text())


def _private_of(public_key: str) -> str:
    """Where the private half of a user's key lies; empty where only its public half is known."""
    private = Path(public_key.removesuffix(".pub"))
    known = not public_key.startswith(key_files.TYPES) and public_key.endswith(".pub") and private.is_file()
    return key_files.collapsed(private) if known else ""


def _half_here(source: Source) -> key_files.PublicKey | None:
    """The public half of the key that this machine has for it, be it another one by now."""
    found = key_files.beside(key_files.placed(source.file))
    return found if found is not None and found.comment == source.purpose else None


def _absence(source: Source) -> str:
    """What to know where this machine does not have the private half; empty where it does."""
    found = key_files.beside(key_files.placed(source.file))
    if found is None:
        return f"its private key is not on this machine: {source.host} has it, in {source.file}"
    if found.blob != key_files.parse(source.public).blob:
        return f"the private key in {source.file} is another one: {source.host} made the one that is in AWS"
    return ""
