"""Service Quotas, with the values of a new account: no GPUs.  moto 5.2 answers 500 for those of EC2.

A request for more is taken and stays PENDING, as it does for days on AWS; ``awsrun local start --quota CODE=VALUE`` is
what a support engineer would do.  Documented at https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from awsrun.aws.quotas import KNOWN, Quota
from awsrun.local.calls import Call, Reply
from awsrun.local.errors import refusal

_TARGET = "ServiceQuotasV20190624."
_JSON = [("Content-Type", "application/x-amz-json-1.1")]


class _Refused(Exception):
    """Args: code, message."""


class ServiceQuotas:
    """The quotas of one account, the same in every region; requests for more are remembered.

    Args:
        raised: code -> value, where it is not that of a new account.
    """

    name = "quotas"

    def __init__(self, raised: Mapping[str, float]) -> None:
        self._raised = raised
        self._requested: list[dict[str, Any]] = []

    def handle(self, call: Call) -> Reply | None:
        target = str(call.environ.get("HTTP_X_AMZ_TARGET", ""))
        if not target.startswith(_TARGET):
            return None
        operation = self._operations().get(target.removeprefix(_TARGET))
        if operation is None:
            return None
        try:
            answer = operation(json.loads(call.body or b"{}"), call.scope[1])
        except _Refused as error:
            return refusal(call, *error.args)
        return Reply(200, list(_JSON), json.dumps(answer).encode())

    def apply(self, event: tuple[Any, ...]) -> None:
        """Nothing happens here: requests stay pending."""

    def state(self) -> Any:
        return self._requested

    def restore(self, state: Any) -> None:
        self._requested = state

    def _operations(self) -> Mapping[str, Callable[[dict[str, Any], str], dict[str, Any]]]:
        return {
            "GetServiceQuota": lambda asked, region: {"Quota": self._shown(_quota(asked), region)},
            "GetAWSDefaultServiceQuota": lambda asked, region: {"Quota": _shown(_quota(asked), region)},
            "ListServiceQuotas": lambda asked, region: self._list(asked, lambda one: self._shown(one, region)),
            "ListAWSDefaultServiceQuotas": lambda asked, region: self._list(asked, lambda one: _shown(one, region)),
            "RequestServiceQuotaIncrease": self._request,
            "ListRequestedServiceQuotaChangeHistory": lambda asked, region: self._history(asked),
            "ListRequestedServiceQuotaChangeHistoryByQuota": lambda asked, region: self._history(asked),
        }

    def _shown(self, one: Quota, region: str) -> dict[str, Any]:
        return _shown(one, region) | {"Value": self._raised.get(one.code, one.default)}

    def _list(self, asked: Mapping[str, Any], shown: Callable[[Quota], dict[str, Any]]) -> dict[str, Any]:
        found = [shown(one) for one in KNOWN.values() if one.service == asked["ServiceCode"]]
        if not found:
            raise _Refused("NoSuchResourceException", f"the embedded cloud has no quotas of {asked['ServiceCode']}")
        return {"Quotas": found}

    def _request(self, asked: Mapping[str, Any], region: str) -> dict[str, Any]:
        one, desired = _quota(asked), float(asked["DesiredValue"])
        if desired <= self._raised.get(one.code, one.default):
            raise _Refused("IllegalArgumentException", "You must provide a quota value greater than the current value")
        if any(known["QuotaCode"] == one.code for known in self._of(asked)):
            raise _Refused("ResourceAlreadyExistsException", "Only one open service quota increase request is allowed")
        request = {
            "Id": f"{len(self._requested) + 1:032x}",
            "DesiredValue": desired,
            "Status": "PENDING",
            "Created": round(time.time(), 3),
            **{key: value for key, value in _shown(one, region).items() if key not in ("Value", "Adjustable")},
        }
        self._requested.append(request)
        return {"RequestedQuota": request}

    def _history(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return {"RequestedQuotas": list(self._of(asked))}

    def _of(self, asked: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        keys = [key for key in ("ServiceCode", "QuotaCode") if key in asked]
        return [one for one in self._requested if all(one[key] == asked[key] for key in keys)]


def _quota(asked: Mapping[str, Any]) -> Quota:
    try:
        return KNOWN[asked["ServiceCode"], asked["QuotaCode"]]
    except KeyError:
        raise _Refused("NoSuchResourceException", "The request failed because the quota does not exist.") from None


def _shown(one: Quota, region: str) -> dict[str, Any]:
    return {
        "ServiceCode": one.service,
        "QuotaCode": one.code,
        "QuotaName": one.name,
        "QuotaArn": f"arn:aws:servicequotas:{region}:123456789012:{one.service}/{one.code}",
        "Value": one.default,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
