"""One cloud, and boto3 clients for it: readers that retry, writers that are sent once.

botocore repeats a create whose answer was lost, and so makes two.  Mutating calls are therefore sent once
(``total_max_attempts=1``); whoever makes them looks at the world before repeating.  Reads use botocore's standard
retries.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from typing import Any

from awsrun.aws import embedded
from awsrun.aws.context import Context, current, pinned
from awsrun.aws.errors import AwsrunError, login, message_of

MOST_TOGETHER = 8  # calls that one list or look makes side by side
LOGIN = "set AWS_PROFILE, or run: aws configure; or go back with: awsrun use local"


class Session:
    """What `boto3.Session` is without its resources and transfers, whose import takes longer than a call.

    Raises:
        botocore.exceptions.ProfileNotFound: when something is asked of a profile that is not there.
    """

    def __init__(self, profile: str | None = None, region: str | None = None) -> None:
        from botocore.session import Session as Core

        from awsrun.aws import models

        core: Any = Core(profile=profile)
        core.lazy_register_component("data_loader", lambda: models.loader(core.get_config_variable("data_path")))
        if region:
            core.set_config_variable("region", region)  # roles are assumed there, too
        self.core = core
        self._region = region

    def share_roles(self) -> None:
        """Keep the credentials of roles where the ``aws`` command does, for both: else a role that wants a code of a
        second factor would ask for one with each command, and AWS takes each code once
        (https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-role.html).
        """
        from botocore.credentials import JSONFileCache

        roles = self.core.get_component("credential_provider").get_provider("assume-role")
        roles.cache = JSONFileCache(os.path.expanduser(os.path.join("~", ".aws", "cli", "cache")))

    @property
    def region_name(self) -> str | None:
        """The region that was asked for, else what the environment or the profile says."""
        found: str | None = self._region or self.core.get_config_variable("region")
        return found

    def client(self, service: str, **options: Any) -> Any:
        """A client, as ``boto3.Session.client`` makes it."""
        return self.core.create_client(
            service, **{**options, "region_name": options["region_name"] or self.region_name}
        )


class Cloud:
    """An account and region to talk to.  Clients are made on first use, shared, and safe to use from threads.

    Attributes:
        context: what was asked for, with the region and account that really answered.
        calls: how many calls were made, by operation, for reports and tests.
    """

    def __init__(self, session: Any, context: Context, endpoint_url: str | None) -> None:
        self.context = context
        self.endpoint_url = endpoint_url
        self.calls: Counter[str] = Counter()
        self._session = session
        self._clients: dict[tuple[Any, ...], Any] = {}
        self._lock = threading.Lock()

    @cached_property
    def time_scale(self) -> float:
        """Seconds there for one second of AWS, see `awsrun.aws.embedded.time_scale`."""
        return embedded.time_scale(self.endpoint_url)

    @property
    def account(self) -> str:
        return self.context.account or ""

    @property
    def region(self) -> str:
        return self.context.region or ""

    def read(self, service: str) -> Any:
        """A boto3 client for calls that change nothing: botocore's standard retries."""
        return self._client(service, once=False)

    def write(self, service: str) -> Any:
        """A boto3 client for mutating calls: sent once, whatever comes back."""
        return self._client(service, once=True)

    def warm(self, services: Iterable[str], once: bool = False) -> None:
        """Begin to make the clients for reading, each of which reads a large model of its service from disk.

        Args:
            once: those for writing instead.
        """

        def make() -> None:
            with suppress(Exception):  # whoever needs it makes it again, and sees the error
                for service in services:
                    self._client(service, once)

        threading.Thread(target=make, daemon=True, name="awsrun-clients").start()

    def elsewhere(self, region: str) -> Cloud:
        """The same account in another region."""
        return Cloud(self._session, pinned(self.context, region, self.account), self.endpoint_url)

    def together(self, *calls: Callable[[], Any]) -> list[Any]:
        """What ``calls``, which need nothing of each other, return; made side by side.

        Raises:
            the error of the first in their order that failed, once all have ended.
        """
        if len(calls) < 2:
            return [call() for call in calls]
        with ThreadPoolExecutor(min(len(calls) - 1, MOST_TOGETHER)) as pool:
            others = [pool.submit(call) for call in calls[1:]]
            return [calls[0](), *(other.result() for other in others)]

    def caller(self, service: str, wait: float, at_once: int) -> Any:
        """A client for calls that are sent once and answered late.

        Args:
            wait: seconds until an answer, at most.
            at_once: so many calls may be on their way.
        """
        options = {"read_timeout": wait, "max_pool_connections": max(at_once, 10), "tcp_keepalive": True}
        return self._client(service, once=True, **options)

    @property
    def core(self) -> Any:
        """The botocore session that its clients are made from, with this cloud's credentials."""
        return getattr(self._session, "core", None) or self._session._session  # a boto3 session's own

    def _client(self, service: str, once: bool, **options: Any) -> Any:
        key = (service, once, *sorted(options.items()))
        if found := self._clients.get(key):
            return found  # without the lock, which may be held for as long as another one's model takes to read
        from botocore.config import Config

        with self._lock:  # boto3 sessions are not safe to make clients from in parallel
            if key not in self._clients:
                retries: Any = {"total_max_attempts": 1} if once else {"mode": "standard", "total_max_attempts": 6}
                usual = {"connect_timeout": 5, "read_timeout": 60, "max_pool_connections": 32}
                config = Config(
                    **{**usual, **options},
                    retries=retries,
                    s3={"addressing_style": "path"} if self.endpoint_url else None,
                    user_agent_extra="awsrun",
                )
                client = self._session.client(
                    service, region_name=self.region or None, endpoint_url=self.endpoint_url, config=config
                )
                client.meta.events.register("before-send", self._count)
                self._clients[key] = client
            return self._clients[key]

    def _count(self, event_name: str, **_: Any) -> None:
        with self._lock:
            self.calls[event_name.removeprefix("before-send.")] += 1


def connect(context: Context | str | None = None, services: Iterable[str] = ()) -> Cloud:
    """The cloud of a context (default: the current one); starts the embedded cloud where that is what is asked for.

    Args:
        services: what will be called: the clients are made while AWS says whose credentials these are.

    Raises:
        AwsrunError: no credentials, no region, or another account than the one that ``awsrun use`` pinned.
    """
    chosen = context if isinstance(context, Context) else current(context)
    if chosen.name == "local":
        session = Session(region=chosen.region)
        session.core.set_credentials("local", "local")
        return Cloud(session, chosen, embedded.endpoint())
    return _connect_aws(chosen, services)


def offline(context: Context) -> Cloud:
    """A cloud that is never called: for the names and ARNs that follow from its account and region."""
    return Cloud(None, context, None)


def _connect_aws(context: Context, services: Iterable[str]) -> Cloud:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        region = context.region or os.environ.get("AWS_REGION")  # which boto3, unlike other SDKs, does not read
        session = Session(context.profile, region)
        session.share_roles()
        if not session.region_name:
            raise AwsrunError("no AWS region is set", hint="awsrun use aws --region eu-west-1, or export AWS_REGION")
        probe = Cloud(session, pinned(context, session.region_name, ""), os.environ.get("AWS_ENDPOINT_URL"))

        def identity() -> Any:
            ask = probe.read("sts").get_caller_identity
            probe.warm(services)
            return ask()

        who, _ = probe.together(identity, lambda: probe.time_scale)
        account = str(who["Account"])
    except (BotoCoreError, ClientError) as error:
        command = login(error, context.profile or os.environ.get("AWS_PROFILE"))
        raise AwsrunError("cannot use AWS with these credentials", message_of(error), command or LOGIN) from error
    if context.account and context.account != account:
        raise AwsrunError(
            f"these credentials belong to account {account}, but awsrun is set to account {context.account}",
            f"profile {context.profile or 'default'} changed",
            "to switch on purpose: awsrun use aws",
        )
    probe.context = pinned(context, session.region_name, account)
    return probe
