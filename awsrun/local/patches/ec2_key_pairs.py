"""EC2's key pairs: known by their ids too, with the fingerprints that OpenSSH prints."""

from __future__ import annotations

import base64
import functools
import hashlib
from types import ModuleType
from typing import Any


def fingerprints(module: ModuleType) -> None:
    """Patch ``moto.ec2.models.key_pairs``: of ed25519 keys AWS shows OpenSSH's fingerprint, moto one of its own
    (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_KeyPairInfo.html)."""
    make = module.KeyPair.__init__

    @functools.wraps(make)
    def __init__(self: Any, *positional: Any, **named: Any) -> None:
        make(self, *positional, **named)
        if self.key_type == "ed25519":
            blob = base64.b64decode(self.material_public.split()[1])
            self.key_fingerprint = base64.b64encode(hashlib.sha256(blob).digest()).decode()

    module.KeyPair.__init__ = __init__


def by_id(module: ModuleType) -> None:
    """Patch ``moto.ec2.responses.key_pairs``: moto looks for names alone, and lists all where ids are asked for."""
    delete, describe = module.KeyPairs.delete_key_pair, module.KeyPairs.describe_key_pairs

    def named(self: Any, id: str) -> str | None:
        return next((one.key_name for one in self.ec2_backend.key_pairs.values() if one.id == id), None)

    @functools.wraps(delete)
    def delete_key_pair(self: Any) -> Any:
        if id := self._get_param("KeyPairId"):
            self.params["KeyName"] = named(self, id)
        return delete(self)

    @functools.wraps(describe)
    def describe_key_pairs(self: Any) -> Any:
        if ids := self._get_param("KeyPairIds", []):
            self.params["KeyNames"] = [named(self, id) or id for id in ids]
        return describe(self)

    module.KeyPairs.delete_key_pair = delete_key_pair
    module.KeyPairs.describe_key_pairs = describe_key_pairs
