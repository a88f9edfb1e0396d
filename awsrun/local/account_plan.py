"""AWS's Free Tier API: the plan of the account, which is a paid one here.  moto 5.2 does not have it.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_freetier_GetAccountPlanState.html
"""

from __future__ import annotations

import json
from typing import Any

from awsrun.local.calls import Call, Reply

_TARGET = "AWSFreeTierService.GetAccountPlanState"
_STATE = {"accountId": "123456789012", "accountPlanType": "PAID", "accountPlanStatus": "ACTIVE"}


class AccountPlan:
    """The plan.  It has no state."""

    name = "account-plan"

    def handle(self, call: Call) -> Reply | None:
        if call.environ.get("HTTP_X_AMZ_TARGET") != _TARGET:
            return None
        return Reply(200, [("Content-Type", "application/x-amz-json-1.0")], json.dumps(_STATE).encode())

    def apply(self, event: tuple[Any, ...]) -> None:
        """Nothing happens here."""

    def state(self) -> Any:
        return None

    def restore(self, state: Any) -> None:
        """There is nothing to restore."""
