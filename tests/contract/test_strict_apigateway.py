"""API Gateway as hard as AWS's: what a stage holds, how rarely it may be called, changes at the same moment."""

from __future__ import annotations

from typing import Any

import pytest

from awsrun.aws.errors import matches
from tests.conftest import ONCE, LocalCloud
from tests.contract.strict_bench import at_once, passes, refused, sometimes, unique, until

THROTTLED, MISSING = "TooManyRequestsException", "NotFoundException"
REGIONAL = {"types": ["REGIONAL"]}  # those at the edge are throttled ten times as much


@pytest.fixture
def gateway(strict_cloud: LocalCloud) -> Any:
    return strict_cloud.client("apigateway")


def create(gateway: Any) -> str:
    """The id of a new API, which is found by now."""
    made = passes(THROTTLED, gateway.create_rest_api, name=unique(), endpointConfiguration=REGIONAL)
    passes(MISSING, gateway.get_rest_api, restApiId=made["id"])
    return str(made["id"])


@pytest.fixture
def api(gateway: Any) -> str:
    """An API with one method that answers by itself."""
    id = create(gateway)
    root = gateway.get_resources(restApiId=id)["items"][0]["id"]
    gateway.put_method(restApiId=id, resourceId=root, httpMethod="GET", authorizationType="NONE")
    gateway.put_integration(restApiId=id, resourceId=root, httpMethod="GET", type="MOCK")
    return id


def deploy(gateway: Any, api: str, **stage: str) -> str:
    return str(passes(THROTTLED, gateway.create_deployment, restApiId=api, **stage)["id"])


def test_a_stage_holds_its_deployment(gateway: Any, api: str) -> None:
    first, second = deploy(gateway, api, stageName="live"), deploy(gateway, api)
    refused("BadRequestException:Active stages", gateway.delete_deployment, restApiId=api, deploymentId=first)
    move = [{"op": "replace", "path": "/deploymentId", "value": second}]
    gateway.update_stage(restApiId=api, stageName="live", patchOperations=move)
    gateway.delete_deployment(restApiId=api, deploymentId=first)
    refused("BadRequestException:Active stages", gateway.delete_deployment, restApiId=api, deploymentId=second)
    gateway.delete_stage(restApiId=api, stageName="live")
    gateway.delete_deployment(restApiId=api, deploymentId=second)


def test_a_new_api_is_not_listed_for_a_moment(gateway: Any) -> None:
    def listed() -> bool:
        id = create(gateway)
        seen = id in {one["id"] for one in gateway.get_rest_apis(limit=500)["items"]}
        until(lambda: id in {one["id"] for one in gateway.get_rest_apis(limit=500)["items"]})
        return seen

    assert not all(listed() for _ in range(20))


def test_a_new_api_is_not_found_for_a_moment(gateway: Any) -> None:
    def look(name: str) -> None:
        made = passes(THROTTLED, gateway.create_rest_api, name=name, endpointConfiguration=REGIONAL)
        gateway.get_rest_api(restApiId=made["id"])

    sometimes(MISSING, look)


@pytest.mark.parametrize("verb", ["create", "deploy", "delete"])
def test_what_may_be_called_once_in_a_while(strict_cloud: LocalCloud, gateway: Any, api: str, verb: str) -> None:
    """CreateRestApi every 3 s, CreateDeployment every 5 s, DeleteRestApi every 30 s, of AWS."""
    others = [create(gateway) for _ in range(2)]
    gateway = strict_cloud.client("apigateway", retries=ONCE)

    def call(number: int) -> None:
        if verb == "create":
            gateway.create_rest_api(name=unique(), endpointConfiguration=REGIONAL)
        elif verb == "deploy":
            gateway.create_deployment(restApiId=api)
        else:
            passes(THROTTLED, gateway.delete_rest_api, restApiId=others[0]) if number == 0 else None
            gateway.delete_rest_api(restApiId=others[1])

    errors = until(lambda: at_once(1, lambda _: [call(number) for number in range(2)]))
    assert matches(errors[0], (THROTTLED,))


def test_changes_of_one_api_at_once_are_refused_but_one(strict_cloud: LocalCloud, api: str) -> None:
    clients = [strict_cloud.client("apigateway") for _ in range(8)]
    name = [{"op": "replace", "path": "/name", "value": "other"}]

    def conflicts() -> list[Any]:
        errors = at_once(8, lambda number: clients[number].update_rest_api(restApiId=api, patchOperations=name))
        assert all(matches(error, ("ConflictException", THROTTLED)) for error in errors)
        return [error for error in errors if matches(error, ("ConflictException",))]

    assert len(until(conflicts)) < 8
