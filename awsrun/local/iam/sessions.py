"""Sessions of roles that the embedded cloud itself opens, for jobs: temporary credentials without a record.

Everything about a session is in its token, signed with a secret of the data folder, so that credentials that a job
holds are good after a restart too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from awsrun.local import state

LIFETIME = 3600.0  # seconds


@dataclass(frozen=True)
class Session:
    """A role that is used by something under a name, until some POSIX second."""

    role: str
    name: str
    expires: float


@dataclass(frozen=True)
class Credentials:
    """What a client signs with."""

    key: str
    secret: str
    token: str
    session: Session


class Sessions:
    """Opens sessions and knows them again.

    Args:
        secret: of this cloud alone.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def of(cls, path: Path) -> Sessions:
        """With the secret in ``path``, which is made where it is missing."""
        if not path.exists():
            state.replace(path, secrets.token_bytes(32))
        return cls(path.read_bytes())

    def open(self, session: Session) -> Credentials:
        """Credentials for ``session``."""
        payload = base64.urlsafe_b64encode(json.dumps(asdict(session)).encode()).decode().rstrip("=")
        token = f"{payload}.{self.sign(payload)}"
        return Credentials(self._key(token), self.sign(f"secret {token}")[:40], token, session)

    def read(self, key: str, token: str) -> Session | None:
        """The session of a token that this cloud made for ``key``, over or not; None for any other."""
        payload, dot, signature = token.partition(".")
        if not dot or not hmac.compare_digest(signature, self.sign(payload)) or key != self._key(token):
            return None
        try:
            return Session(**json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))
        except (ValueError, TypeError, binascii.Error):
            return None

    def sign(self, text: str) -> str:
        """What only this cloud can say of ``text``."""
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()

    def _key(self, token: str) -> str:
        """An access key id as those of AWS's temporary credentials look."""
        return "ASIA" + base64.b32encode(bytes.fromhex(self.sign(f"key {token}")))[:16].decode()
