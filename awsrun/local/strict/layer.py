"""The layer that applies each service's strict rules, and lets happen what is due."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from awsrun.aws.quotas import FARGATE, FARGATE_SPOT
from awsrun.local import clock
from awsrun.local.batch import room
from awsrun.local.batch.service import Batch
from awsrun.local.calls import Call, Perform, Reply
from awsrun.local.ecs.room import Room
from awsrun.local.ecs.service import Ecs
from awsrun.local.options import Options
from awsrun.local.strict.apigateway import ApiGatewayRules
from awsrun.local.strict.batch import BatchRules
from awsrun.local.strict.dynamodb import DynamoRules
from awsrun.local.strict.ec2 import Ec2Rules
from awsrun.local.strict.ecr import EcrRules
from awsrun.local.strict.ecs import EcsRules
from awsrun.local.strict.iam import IamRules
from awsrun.local.strict.lambda_ import LambdaRules
from awsrun.local.strict.ledger import Ledger
from awsrun.local.strict.logs import LogsRules
from awsrun.local.strict.rules import Rules
from awsrun.local.strict.s3 import S3Rules
from awsrun.local.strict.sqs import SqsRules
from awsrun.local.strict.ssm import SsmRules
from awsrun.local.tokens import ClientTokens


class Strict:
    """AWS's hardness around the services; nothing at all where the options do not ask for it.

    Args:
        may: whether a role, by its ARN, may do an action in a region on a resource.
    """

    name = "strict"

    def __init__(self, batch: Batch, ecs: Ecs, tokens: ClientTokens, may: Callable[[str, str, str, str], bool]) -> None:
        self._batch, self._ecs, self._tokens, self._may = batch, ecs, tokens, may
        self._on = False
        self._ledger = Ledger()
        self._rules = self._made()

    def behave(self, options: Options) -> None:
        """From now on as ``options`` say.  What was put off happens with the next call where strict is off."""
        self._on = options.strict
        self._ledger.scale = options.time_scale
        quotas = {"FARGATE": options.quota(FARGATE), "FARGATE_SPOT": options.quota(FARGATE_SPOT)}
        self._ecs.room = Room(options.scarce, quotas) if options.strict else Room()
        self._batch.room = room.Room(options.quota) if options.strict else room.Room()

    def around(self, call: Call, inner: Perform) -> Reply:
        """Answer ``call`` as AWS would.

        What is due happens at its own time and with randomness of its own, whichever call comes after it: reads are not
        replayed, and the next change would find it done later, and draw other ids.
        """
        while (due := self._ledger.due(all_of_it=not self._on)) is not None:
            with clock.moment(due.at, f"{due.service}:{due.number}"):
                self._rules[due.service].happen(due.event, due.arguments, inner)
        rules = self._rules.get(call.scope[0]) if self._on else None
        return inner(call) if rules is None else rules.around(call, inner)

    def phase(self, service: str, region: str, name: str) -> str:
        """The state in which something is for a while (``Pending``); empty for none."""
        return self._ledger.phase((service, region, name)) or "" if self._on else ""

    def state(self) -> Any:
        return self._ledger

    def restore(self, state: Ledger) -> None:
        state.scale = self._ledger.scale
        self._ledger = state
        self._rules = self._made()

    def _made(self) -> dict[str, Rules]:
        ledger = self._ledger
        rules: tuple[Rules, ...] = (
            ApiGatewayRules(ledger),
            BatchRules(ledger, self._batch),
            DynamoRules(ledger),
            Ec2Rules(ledger),
            EcrRules(ledger),
            EcsRules(ledger, self._ecs, self._tokens),
            IamRules(ledger),
            LambdaRules(ledger, self._may),
            LogsRules(ledger),
            S3Rules(ledger),
            SqsRules(ledger),
            SsmRules(ledger),
        )
        return {one.service: one for one in rules}
