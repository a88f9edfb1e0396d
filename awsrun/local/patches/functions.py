"""Lambda's records have all of a function's configuration: moto keeps neither its queue nor its log group."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any


def whole_configuration(module: ModuleType) -> None:
    """Patch ``moto.awslambda.models``: the dead-letter queue and the log group are kept; they, the size of /tmp, an
    image's configuration and the architecture can change; and a function that may not run at all says so."""
    function = module.LambdaFunction
    init, describe, update = function.__init__, function.get_configuration, function.update_configuration
    code, get_code = function.update_function_code, function.get_code

    @functools.wraps(init)
    def whole(self: Any, account_id: str, spec: dict[str, Any], region: str, version: Any = 1) -> None:
        init(self, account_id, spec, region, version)
        self.dead_letter_config = spec.get("DeadLetterConfig") or {}
        self.logging_config = spec.get("LoggingConfig") or {}

    @functools.wraps(describe)
    def get_configuration(self: Any, on_create: bool = False) -> dict[str, Any]:
        found: dict[str, Any] = describe(self, on_create)
        if self.dead_letter_config.get("TargetArn"):
            found["DeadLetterConfig"] = self.dead_letter_config
        default = {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{self.function_name}"}
        return {**found, "LoggingConfig": {**default, **self.logging_config}}

    @functools.wraps(update)
    def update_configuration(self: Any, config_updates: dict[str, Any]) -> dict[str, Any]:
        self.dead_letter_config = config_updates.get("DeadLetterConfig", self.dead_letter_config)
        self.logging_config = config_updates.get("LoggingConfig", self.logging_config)
        if "EphemeralStorage" in config_updates:
            self.ephemeral_storage = config_updates["EphemeralStorage"]["Size"]
        if "ImageConfig" in config_updates:
            self.image_config = module.ImageConfig(config_updates["ImageConfig"])
        changed: dict[str, Any] = update(self, config_updates)
        return changed

    @functools.wraps(code)
    def update_function_code(self: Any, updated_spec: dict[str, Any]) -> dict[str, Any]:
        if updated_spec.get("Architectures"):
            self.architectures = updated_spec["Architectures"]
        changed: dict[str, Any] = code(self, updated_spec)
        return changed

    @functools.wraps(get_code)
    def all_of_it(self: Any) -> dict[str, Any]:
        found: dict[str, Any] = get_code(self)
        if self.reserved_concurrency is not None:
            found["Concurrency"] = {"ReservedConcurrentExecutions": self.reserved_concurrency}
        return found

    def put_event_settings(self: Any, function_name: str, config: dict[str, Any]) -> dict[str, Any]:
        found = self.get_function(function_name)
        settings = module.EventInvokeConfig(found.function_arn, found.last_modified, config)
        found.event_invoke_config = [settings]  # moto keeps the first
        told: dict[str, Any] = settings.response()
        return told

    module.LambdaBackend.put_function_event_invoke_config = put_event_settings
    function.__init__, function.get_configuration = whole, get_configuration
    function.update_configuration, function.update_function_code = update_configuration, update_function_code
    function.get_code = all_of_it
