"""Passwords of the registry: what ECR's GetAuthorizationToken gives, good for twelve hours as on AWS.

They are signed with a secret of this data folder, so that nothing has to be remembered, and say for whom they act and
which region's repositories they open: here one host serves all regions.
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

    def make(self, region: str, now: float, who: str) -> tuple[str, int]:
        """A password that acts for ``who`` on the repositories of ``region``, and when it ends (POSIX seconds)."""
        expires = int(now) + VALID
        claim = f"{base64.urlsafe_b64encode(who.encode()).decode()}.{region}"
        return f"{claim}.{expires}.{self._sign(claim, expires)}", expires

    def opened(self, authorization: str, now: float) -> tuple[str, str] | None:
        """Whom an ``Authorization`` header acts for, and the region that it opens; None where it opens none."""
        scheme, _, encoded = authorization.partition(" ")
        try:
            user, _, password = base64.b64decode(encoded).decode().partition(":")
            claim, expires, signature = password.rsplit(".", 2)
            valid = hmac.compare_digest(signature, self._sign(claim, int(expires)))
            if scheme.lower() != "basic" or user != "AWS" or not valid or now >= int(expires):
                return None
            who, region = claim.split(".")
            return base64.urlsafe_b64decode(who).decode(), region
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return None

    def _sign(self, claim: str, expires: int) -> str:
        return hmac.new(self._secret, f"{claim}.{expires}".encode(), hashlib.sha256).hexdigest()
