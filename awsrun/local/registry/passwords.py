"""Passwords of the registry: what ECR's GetAuthorizationToken gives, good for twelve hours as on AWS.

They are signed with a secret of this data folder, so that nothing has to be remembered, and say which region's
repositories they open: here one host serves all regions.
https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from pathlib import Path

from awsrun.local import state

VALID = 12 * 3600  # seconds


class Passwords:
    """Makes passwords and checks them.

    Args:
        path: where the secret is kept.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            state.replace(path, secrets.token_bytes(32))
        self._secret = path.read_bytes()

    def make(self, region: str, now: float) -> tuple[str, int]:
        """A password for the repositories of ``region``, and when it ends (POSIX seconds)."""
        expires = int(now) + VALID
        return f"{region}.{expires}.{self._sign(region, expires)}", expires

    def region(self, authorization: str, now: float) -> str | None:
        """The region that an ``Authorization`` header opens; None where it opens none."""
        scheme, _, encoded = authorization.partition(" ")
        try:
            user, _, password = base64.b64decode(encoded).decode().partition(":")
            region, expires, signature = password.rsplit(".", 2)
            valid = hmac.compare_digest(signature, self._sign(region, int(expires)))
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return None
        return region if scheme.lower() == "basic" and user == "AWS" and valid and now < int(expires) else None

    def _sign(self, region: str, expires: int) -> str:
        return hmac.new(self._secret, f"{region}.{expires}".encode(), hashlib.sha256).hexdigest()
