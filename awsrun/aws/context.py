"""Contexts: which cloud a command talks to, as kubectl has them.

``local`` (the embedded cloud) is what a fresh machine starts with, so that nobody is billed by surprise.  The setting
is one small JSON file; ``AWSRUN_CONTEXT`` or ``--context`` override it for one command.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from awsrun.aws.errors import AwsrunError
from awsrun.aws.paths import config_dir

NAMES = ("local", "aws")
LOCAL_ACCOUNT = "123456789012"
LOCAL_REGION = "us-east-1"
ASK_OVER = 10.0
"""Dollars from which on a submit asks first, unless `awsrun use` says otherwise."""


@dataclass(frozen=True)
class Context:
    """A cloud to talk to.

    Attributes:
        name: ``local`` or ``aws``.
        region: AWS region; None means what the profile or the environment says.
        profile: the profile of ``~/.aws/config``; None means boto3's own search.
        account: 12 digits.  In the aws context: the account that ``awsrun use`` pinned; another one is refused.
        boundary: ARN of the policy that bounds what the roles of all stacks may ever do, as the account's admin wants
            it (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html); None means none.
        ask_over: what a run may cost, in US dollars, without a yes; None means `ASK_OVER`.
    """

    name: str
    region: str | None = None
    profile: str | None = None
    account: str | None = None
    boundary: str | None = None
    ask_over: float | None = None

    def __str__(self) -> str:
        parts = [self.name, self.profile or "", self.region or "", self.account or ""]
        return "local" if self.name == "local" else " ".join(part for part in parts if part)


LOCAL = Context("local", region=LOCAL_REGION, account=LOCAL_ACCOUNT)


def current(override: str | None = None, env: Mapping[str, str] = os.environ) -> Context:
    """The context to use: ``override``, else ``AWSRUN_CONTEXT``, else what ``awsrun use`` stored, else local.

    ``AWSRUN_BOUNDARY`` goes before the stored boundary of the aws context.

    Raises:
        AwsrunError: the name is neither ``local`` nor ``aws``, or the setting cannot be read.
    """
    stored = _stored()
    name = override or env.get("AWSRUN_CONTEXT") or str(stored.get("context", "local"))
    if name not in NAMES:
        raise AwsrunError(f"unknown context {name!r}", f"contexts are {' and '.join(NAMES)}", "awsrun use local")
    if name == "local":
        return LOCAL
    pinned = stored.get("aws", {})
    found = Context("aws", **{key: pinned.get(key) for key in ("region", "profile", "account", "boundary", "ask_over")})
    return replace(found, boundary=check_boundary(env.get("AWSRUN_BOUNDARY")) or found.boundary)


def check_boundary(arn: str | None) -> str | None:
    """``arn``, if it can be that of a managed policy; None for nothing.

    Raises:
        AwsrunError: it cannot.
    """
    if arn and not re.fullmatch(r"arn:aws[a-z-]*:iam::(\d{12}|aws):policy/\S+", arn):
        why = "a permissions boundary is a managed policy, by its ARN"
        raise AwsrunError(f"{arn!r} will not do as a boundary", why, "arn:aws:iam::123456789012:policy/NAME")
    return arn or None


def use(context: Context) -> None:
    """Make ``context`` the one that later commands talk to."""
    stored = _stored()
    stored["context"] = context.name
    if context.name == "aws":
        stored["aws"] = {
            key: value for key, value in asdict(context).items() if key != "name" and value not in (None, "")
        }
    path = config_dir() / "context.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(stored, indent=2) + "\n")
    fresh.replace(path)


def pinned(context: Context, region: str, account: str) -> Context:
    """``context`` with the region and account that really answered."""
    return replace(context, region=region, account=account)


def _stored() -> dict[str, Any]:
    path = config_dir() / "context.json"
    try:
        loaded = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise AwsrunError(f"cannot read {path}", str(error), f"rm {path}; awsrun use local") from error
    return loaded if isinstance(loaded, dict) else {}
