"""DynamoDB: a BatchWriteItem of more than 25 items is refused, as on AWS (moto 5.2 takes any number).

An update that would make an item too large changes nothing of it (moto leaves what it had set until it came upon that).
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

_MOST = 25  # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html


def refuse_large_batches(module: ModuleType) -> None:
    """Patch ``moto.dynamodb.responses``."""
    original = module.DynamoHandler.batch_write_item

    def batch_write_item(self: Any) -> Any:
        requests = self.body["RequestItems"]
        if sum(map(len, requests.values())) > _MOST:
            raise module.MockValidationException(
                "1 validation error detected: Value at 'requestItems' failed to satisfy constraint: "
                f"Map value must satisfy constraint: [Member must have length less than or equal to {_MOST}, "
                "Member must have length greater than or equal to 1]"
            )
        return original(self)

    module.DynamoHandler.batch_write_item = batch_write_item


def refuse_updates_as_a_whole(module: ModuleType) -> None:
    """Patch ``moto.dynamodb.parsing.executors``."""
    execute = module.UpdateExpressionExecutor.execute

    def whole(self: Any, node: Any = None) -> None:
        if node is not None:
            execute(self, node)
            return
        attributes = self.item.attrs
        before = dict(attributes)
        try:
            execute(self)
        except Exception:
            attributes.clear()
            dict.update(attributes, before)  # past moto's own check, which counts what is replaced twice
            raise

    module.UpdateExpressionExecutor.execute = whole
