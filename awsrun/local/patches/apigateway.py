"""API Gateway: a deployment is a copy of the definition, held by its stage; OpenAPI bodies come in whole.

Sources: https://github.com/hashicorp/terraform/issues/25495 ("Active stages pointing to this deployment must be moved
or deleted"), https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-deploy-api.html (a deployment is a
snapshot), https://docs.aws.amazon.com/apigateway/latest/api/API_PutRestApi.html (overwriting replaces a definition),
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html,
https://docs.aws.amazon.com/apigateway/latest/api/API_TagResource.html (APIs have tags, not only stages).
"""

from __future__ import annotations

import copy
import json
from types import ModuleType
from typing import Any
from urllib.parse import unquote

_ANY = "x-amazon-apigateway-any-method"
_METHODS = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "trace", _ANY})


def deployments_are_copies(module: ModuleType) -> None:
    """Patch ``moto.apigateway.models``: a deployment keeps what was defined when it was made, as ``copy``.

    moto keeps nothing, and makes a stage anew, without its settings, that is deployed to again.  Nor are handlers for
    an HTTP library registered that nobody here uses.
    """
    api = module.RestAPI
    original = api.create_deployment

    def create_deployment(self: Any, name: str, description: str, stage_variables: Any = None) -> Any:
        before = self.stages.get(name) if name else None
        made = original(self, name, description, stage_variables)
        if before is not None:
            before.deployment_id = made.id
            before.variables.update(stage_variables or {})
            self.stages[name] = before
        made.copy = copy.deepcopy(_definition(self))
        made.stage_name = ""  # for moto, which would ask for that stage wherever it points by now
        return made

    def delete_deployment(self: Any, deployment_id: str) -> Any:
        if any(stage.deployment_id == deployment_id for stage in self.stages.values()):
            said = "Active stages pointing to this deployment must be moved or deleted"
            raise module.BadRequestException(said)
        if deployment_id not in self.deployments:
            raise module.DeploymentNotFoundException()
        return self.deployments.pop(deployment_id)

    api.create_deployment = create_deployment
    api.delete_deployment = delete_deployment
    api.update_integration_mocks = lambda self, stage_name: None


def _definition(api: Any) -> dict[str, Any]:
    """What a deployment shows: methods by path, gateway responses by type, binary media types."""
    methods = {
        resource.get_path(): {name: method.to_json() for name, method in resource.resource_methods.items()}
        for resource in api.resources.values()
        if resource.resource_methods
    }
    responses = {kind: response.to_json() for kind, response in api.gateway_responses.items()}
    return {"methods": methods, "responses": responses, "binary": list(api.binaryMediaTypes)}


def whole_bodies(module: ModuleType) -> None:
    """Patch ``moto.apigateway.models``: PutRestApi takes gateway responses, binary media types and ANY, and knows paths
    that are there already; its methods are open to all, as AWS says of them."""
    backend = module.APIGatewayBackend
    put, create_resource = backend.put_rest_api, backend.create_resource

    def put_rest_api(self: Any, function_id: str, api_doc: Any, fail_on_warnings: bool, mode: str = "merge") -> Any:
        api = self.get_rest_api(function_id)
        paths = {path: _methods(found) for path, found in api_doc.get("paths", {}).items()}
        put(self, function_id, {**api_doc, "paths": paths}, fail_on_warnings, mode)
        if mode == "overwrite":
            api.root_resource_id = api.default.id
            api.gateway_responses.clear()
            api.name = api_doc.get("info", {}).get("title", api.name)
        for kind, found in api_doc.get("x-amazon-apigateway-gateway-responses", {}).items():
            parts = (found.get(key) for key in ("statusCode", "responseParameters", "responseTemplates"))
            api.put_gateway_response(kind, *parts)
        if "x-amazon-apigateway-binary-media-types" in api_doc:
            api.binaryMediaTypes = list(api_doc["x-amazon-apigateway-binary-media-types"])
        for method in (one for resource in api.resources.values() for one in resource.resource_methods.values()):
            method.authorization_type = method.authorization_type or "NONE"
        return api

    def create(self: Any, function_id: str, parent_resource_id: str, path_part: str) -> Any:
        resources = self.get_rest_api(function_id).resources.values()
        there = [r for r in resources if path_part and (r.parent_id, r.path_part) == (parent_resource_id, path_part)]
        return there[0] if there else create_resource(self, function_id, parent_resource_id, path_part)

    backend.put_rest_api = put_rest_api
    backend.create_resource = create


def _methods(path: dict[str, Any]) -> dict[str, Any]:
    """Those of a path of an OpenAPI body, as moto reads them."""
    found: dict[str, Any] = {}
    for verb, method in path.items():
        if verb.lower() in _METHODS:
            integration = dict(method.get("x-amazon-apigateway-integration") or {})
            if integration:
                kind = str(integration.get("type", "")).upper()
                integration = {"uri": "", "httpMethod": "", **integration, "type": kind}  # a mock has neither
            found["any" if verb == _ANY else verb] = {**method, "x-amazon-apigateway-integration": integration}
    return found


def missing_apis(module: ModuleType) -> None:
    """Patch ``moto.apigateway.models``: what is not there is a NotFoundException, not a failure of the server."""
    backend = module.APIGatewayBackend
    delete = backend.delete_rest_api

    def delete_rest_api(self: Any, function_id: str) -> Any:
        self.get_rest_api(function_id)
        return delete(self, function_id)

    def get_deployment(self: Any, deployment_id: str) -> Any:
        if deployment_id not in self.deployments:
            raise module.DeploymentNotFoundException()
        return self.deployments[deployment_id]

    backend.delete_rest_api = delete_rest_api
    module.RestAPI.get_deployment = get_deployment


def paths_of_tags(module: ModuleType) -> None:
    """Patch ``moto.apigateway.urls``: the tags of an API have a path, like those of a stage."""
    stages = next(path for path in module.url_paths if path.startswith("{0}/tags/arn:") and "stages" in path)
    module.url_paths[stages.partition("/stages/")[0] + "$"] = module.url_paths[stages]


def tags_and_twins(module: ModuleType) -> None:
    """Patch ``moto.apigateway.responses``: tags may be those of an API, where moto takes every ARN for a stage's; a
    second resource of one path is refused."""
    response = module.APIGatewayResponse

    def tagged(self: Any) -> Any:
        api, _, stage = unquote(self.path.split("/tags/", 1)[1]).partition("/restapis/")[2].partition("/stages/")
        return self.backend.get_stage(api, stage) if stage else self.backend.get_rest_api(api)

    def get_tags(self: Any) -> str:
        return json.dumps({"tags": tagged(self).tags or {}})

    def tag_resource(self: Any) -> Any:
        found = tagged(self)
        found.tags = {**(found.tags or {}), **(self._get_param("tags") or {})}
        return 204, {"status": 204}, ""

    def untag_resource(self: Any) -> Any:
        found, gone = tagged(self), set(self.querystring.get("tagKeys") or ())
        found.tags = {key: value for key, value in (found.tags or {}).items() if key not in gone}
        return 204, {"status": 204}, ""

    def create_resource(self: Any) -> Any:
        """As one that is there already passes here (`whole_bodies`), it is refused here.
        https://docs.aws.amazon.com/apigateway/latest/api/API_CreateResource.html"""
        _, _, api, _, parent = self.path.split("/")
        part = self._get_param("pathPart")
        resources = self.backend.get_rest_api(api).resources.values()
        if any((one.parent_id, one.path_part) == (parent, part) for one in resources):
            said = f"Another resource with the same parent already has this name: {part}"
            return self.error("ConflictException", said, 409)
        return create(self)

    create = response.create_resource
    response.create_resource = create_resource
    response.get_tags, response.tag_resource, response.untag_resource = get_tags, tag_resource, untag_resource


def statement_ids_are_unique(module: ModuleType) -> None:
    """Patch ``moto.awslambda.policy``: a second statement of one id is refused
    (https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html, ResourceConflictException)."""
    from moto.core.exceptions import JsonRESTError

    class Taken(JsonRESTError):  # type: ignore[misc]
        code = 409

    original = module.Policy.add_statement

    def add_statement(self: Any, raw: str, qualifier: str | None = None) -> Any:
        id = json.loads(raw).get("StatementId")
        if id and any(statement.get("Sid") == id for statement in self.statements):
            said = f"The statement id ({id}) provided already exists. Please provide a new statement id, or remove the "
            raise Taken("ResourceConflictException", said + "existing statement.")
        return original(self, raw, qualifier)

    module.Policy.add_statement = add_statement
