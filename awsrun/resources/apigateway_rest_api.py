"""REST APIs: routes to functions, deployed to one stage again exactly when their definition changed.

What is put into an API is live only once it is deployed: a deployment is a copy of the definition, and a stage shows
one (https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-deploy-api.html).  A deployment's description
carries the fingerprint of what it is a copy of, so that a stage tells by itself what it shows, and a deployment that
was made by a call whose answer was lost is taken instead of a second one.

A function that no route names any more may be called until the stage has moved, and is remembered in a tag until then:
whatever moment a command ends at, its permission is found again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from botocore.exceptions import ClientError

from awsrun.aws.embedded import is_aws
from awsrun.aws.errors import matches
from awsrun.aws.rights import Right, allow, made_for, owned_by
from awsrun.aws.tags import NAME
from awsrun.prices.price import Price, metered
from awsrun.prices.table import Prices
from awsrun.resources import apigateway_definition as definition
from awsrun.resources.apigateway_rest_api_spec import RestApiSpec
from awsrun.resources.kind import ABSENT, Change, Found, Kind, Owner, Refs, Seen, State
from awsrun.resources.lambda_permissions import LEAVING, Permissions, leaving_of, leaving_tags
from awsrun.resources.ours import arn, known, ours, partition, unless_denied

REGIONAL = "REGIONAL"
COPY_OF = "awsrun "  # a deployment's description, before the fingerprint
PAGE = 500  # most that one call lists
EVERY_METHOD = "*/*"  # in a stage's settings


@dataclass(frozen=True)
class RestApiState(State):
    """See `awsrun.resources.apigateway_definition` for how routes, CORS and permissions are written.

    Attributes:
        routes, cors: the definition, deployed or not.
        stage: the name of the stage; several are joined.
        deployed: the fingerprint of the definition that the stage shows.
        rate, burst: 0 where the stage sets no limit of its own.
        leaving: functions whose permissions are still to be taken away.
        spare: deployments that no stage shows.
    """

    title: str
    endpoint: str
    routes: frozenset[str]
    cors: str
    permissions: frozenset[str]
    stage: str
    deployed: str
    rate: float
    burst: int
    leaving: frozenset[str] = frozenset()
    spare: int = 0


class RestApi(Kind[RestApiSpec, RestApiState]):
    kind = "apigateway.rest_api"
    Spec = RestApiSpec
    State = RestApiState
    identity = "tags"
    service = "apigateway"
    usual = 12.0
    absent = frozenset({"NotFoundException"})
    retry = frozenset(
        {
            "ConflictException",  # it is being changed at this moment
            "BadRequestException:Active stages",  # the stage has moved, which does not show yet
            "ResourceConflictException",  # a function is being changed
            "ResourceNotFoundException",  # a function is not known yet
        }
    )
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
    pace: ClassVar[Mapping[str, float]] = {"create": 3.0, "delete": 30.0}

    # -- what is wanted ---------------------------------------------------------------------------------------------

    def lower(self, spec: RestApiSpec, refs: Refs) -> RestApiState:
        names = {one: refs.output(one, "name") for one in set(spec.routes.values())}
        title = self.physical(refs.stack, refs.name, spec)
        allowed = definition.cors(spec.allowed.origin, spec.allowed.headers) if spec.allowed else ""

        def routes(names: Mapping[str, str]) -> frozenset[str]:
            return frozenset(f"{call}{definition.ARROW}{names[one]}" for call, one in spec.routes.items())

        unknown = [name for name in names.values() if not isinstance(name, str)]
        found = known(unknown[0] if unknown else names, lambda _: routes(names))
        return RestApiState(
            title=title,
            endpoint=REGIONAL,
            routes=found,
            cors=allowed,
            permissions=known(found, lambda _: definition.permissions(spec.stage, found)),
            stage=spec.stage,
            deployed=known(found, lambda _: definition.fingerprint(self._body(title, found, allowed))),
            rate=spec.rate,
            burst=spec.burst,
        )

    def price(self, state: RestApiState, prices: Prices) -> Price:
        return metered((prices.rate("api_gateway_million_requests"), "per million requests"))

    def rights(self, stack: str, specs: Mapping[str, RestApiSpec]) -> Iterable[Right]:
        """Actions are HTTP's methods on paths; what is below an API has its tags
        (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging-supported-resources.html).
        Tagging is a PUT on the tags and a PATCH of the API (https://github.com/iann0036/iam-dataset/pull/39)."""
        apis, below = self._arn("/restapis"), self._arn("/restapis/*")
        tags = self._arn("/tags/" + quote(self._arn("/restapis/"), safe="") + "*")
        mine, functions = [owned_by(stack)], arn(self.cloud, "lambda", "function:*")
        yield allow("find", "apigateway", "GET", apis)
        yield allow("read", "apigateway", "GET", below)
        yield allow("read", "lambda", "GetPolicy", arn(self.cloud, "lambda", f"function:{stack}-*"))
        yield allow("read", "lambda", "GetPolicy", functions, when=mine)
        yield allow("create", "apigateway", "POST", apis, when=[made_for(stack)])
        yield allow("create", "apigateway", "PUT", tags)
        yield allow("update", "apigateway", "DELETE PATCH POST PUT", below, when=mine)
        yield allow("update", "apigateway", "DELETE PUT", tags)
        yield allow("update", "lambda", "AddPermission RemovePermission", functions, when=mine)
        yield allow("tag", "apigateway", "DELETE PUT", tags)
        yield allow("tag", "apigateway", "PATCH", below, when=mine)
        yield allow("delete", "apigateway", "DELETE", below, when=mine)
        yield allow("delete", "lambda", "RemovePermission", functions, when=mine)

    # -- what is there ----------------------------------------------------------------------------------------------

    def find(self, stack: str | None, hints: Collection[str] = ()) -> Iterator[Found]:
        for page in self._reads.get_paginator("get_rest_apis").paginate(PaginationConfig={"PageSize": PAGE}):
            for api in page["items"]:
                tags = api.get("tags") or {}
                if ours(tags, stack):
                    owner = {key: value for key, value in tags.items() if not key.startswith(LEAVING)}
                    yield Found(tags[NAME], api["id"], owner, unless_denied(stack, self.read, api["id"]))

    def read(self, id: str) -> Seen[RestApiState]:
        gateway = self._reads
        try:
            api, resources, errors, stages, deployments = self.cloud.together(
                lambda: gateway.get_rest_api(restApiId=id),
                lambda: self._listed("get_resources", id, embed=["methods"]),
                lambda: gateway.get_gateway_responses(restApiId=id, limit=PAGE)["items"],
                lambda: gateway.get_stages(restApiId=id)["item"],
                lambda: self._listed("get_deployments", id),
            )
        except ClientError as error:
            if matches(error, self.absent):
                return ABSENT
            raise
        by_type = {one["responseType"]: one for one in errors}
        routes, cors = definition.read(resources, by_type, self._functions)
        leaving = leaving_of(api.get("tags") or {})
        permissions, asked = Permissions(self.cloud, id, api["name"]), sorted(definition.functions(routes) | leaving)
        allowed = self.cloud.together(*(lambda name=name: permissions.of(name) for name in asked))
        stages = sorted(stages, key=lambda one: str(one["stageName"]))
        copies = {one["id"]: str(one.get("description") or "").removeprefix(COPY_OF) for one in deployments}
        shown = [str(one.get("deploymentId")) for one in stages]
        limits = stages[0].get("methodSettings", {}).get(EVERY_METHOD, {}) if stages else {}
        state = RestApiState(
            title=api["name"],
            endpoint=", ".join(api.get("endpointConfiguration", {}).get("types", [])),
            routes=routes,
            cors=cors,
            permissions=frozenset().union(*allowed),
            stage=", ".join(one["stageName"] for one in stages),
            deployed=", ".join(copies.get(one, "") for one in shown),
            rate=float(limits.get("throttlingRateLimit", 0)),
            burst=int(limits.get("throttlingBurstLimit", 0)),
            leaving=leaving,
            spare=len(copies.keys() - set(shown)),
        )
        return Seen(state, "ready", outputs=self._outputs(id, state))

    def _outputs(self, id: str, state: RestApiState) -> dict[str, str]:
        """``url`` has no slash at its end.

        https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-call-api.html; the embedded cloud answers
        on its own port.
        """
        found = {"id": id, "name": state.title, "arn": self._arn(f"/restapis/{id}")}
        if not state.stage:
            return found
        endpoint = self.cloud.endpoint_url
        domain = "amazonaws.com.cn" if partition(self.cloud.region) == "aws-cn" else "amazonaws.com"
        at_aws = f"https://{id}.execute-api.{self.cloud.region}.{domain}"
        base = at_aws if is_aws(endpoint) else f"{str(endpoint).rstrip('/')}/_apis/{id}"
        return {**found, "stage": state.stage, "url": f"{base}/{state.stage}"}

    # -- making it so -----------------------------------------------------------------------------------------------

    def create(self, state: RestApiState, owner: Owner) -> str:
        """An API that answers nothing yet."""
        made = self._writes.create_rest_api(
            name=state.title, endpointConfiguration={"types": [state.endpoint]}, tags=dict(owner.tags)
        )
        return str(made["id"])

    def born(self, state: RestApiState) -> RestApiState:
        nothing: frozenset[str] = frozenset()
        return RestApiState(state.title, state.endpoint, nothing, "", nothing, "", "", 0.0, 0)

    def update(self, id: str, wanted: RestApiState, seen: RestApiState, changed: Collection[Change]) -> None:
        """All up to a stage that shows what is wanted; what that one leaves over goes in the next step."""
        fields = {change.field for change in changed}
        missing = sorted(wanted.permissions - seen.permissions)
        if not missing and fields <= {"permissions", "leaving", "spare"}:
            self._clear(id, wanted, seen)
            return
        self._rename(id, wanted, seen)
        permissions = Permissions(self.cloud, id, wanted.title)
        for one in missing:
            permissions.add(one)
        if fields & {"routes", "cors", "deployed", "stage"}:
            if leaving := definition.functions(seen.routes) - definition.functions(wanted.routes) - seen.leaving:
                self.tag(id, leaving_tags(leaving | seen.leaving), ())
            body = json.dumps(self._body(wanted.title, wanted.routes, wanted.cors)).encode()
            self._writes.put_rest_api(restApiId=id, mode="overwrite", body=body)
            self._deploy(id, wanted)
        if fields & {"rate", "burst", "stage"}:
            self._patch_stage(id, wanted.stage, **_limits(wanted))
        for stage in set(filter(None, seen.stage.split(", "))) - {wanted.stage}:
            self._writes.delete_stage(restApiId=id, stageName=stage)

    def tag(self, id: str, set: Mapping[str, str], unset: Collection[str]) -> None:
        if set:
            self._writes.tag_resource(resourceArn=self._arn(f"/restapis/{id}"), tags=dict(set))
        if unset:
            self._writes.untag_resource(resourceArn=self._arn(f"/restapis/{id}"), tagKeys=sorted(unset))

    def delete(self, id: str, seen: Seen[RestApiState]) -> None:
        """With all that it has, and first what lets it call functions: that is theirs, and would stay."""
        if seen.state is not None:
            permissions = Permissions(self.cloud, id, seen.state.title)
            for one in sorted(seen.state.permissions):
                permissions.remove(one)
        self._writes.delete_rest_api(restApiId=id)

    def _rename(self, id: str, wanted: RestApiState, seen: RestApiState) -> None:
        """Its name and where it is served, which a definition does not change."""
        edits = [{"op": "replace", "path": "/name", "value": wanted.title}] if wanted.title != seen.title else []
        if wanted.endpoint != seen.endpoint:
            path = f"/endpointConfiguration/types/{seen.endpoint}"
            edits.append({"op": "replace", "path": path, "value": wanted.endpoint})
        if edits:
            self._writes.update_rest_api(restApiId=id, patchOperations=edits)

    def _deploy(self, id: str, wanted: RestApiState) -> None:
        """Let the stage show what is defined, by a deployment that is there already if an earlier step made it."""
        label = COPY_OF + wanted.deployed
        copies = [one["id"] for one in self._listed("get_deployments", id) if one.get("description") == label]
        copy = min(copies) if copies else self._writes.create_deployment(restApiId=id, description=label)["id"]
        stages = {one["stageName"]: one.get("deploymentId") for one in self._reads.get_stages(restApiId=id)["item"]}
        if wanted.stage not in stages:
            self._writes.create_stage(restApiId=id, stageName=wanted.stage, deploymentId=copy)
        elif stages[wanted.stage] not in copies:
            self._patch_stage(id, wanted.stage, deploymentId=copy)

    def _patch_stage(self, id: str, stage: str, **values: Any) -> None:
        edits = [{"op": "replace", "path": f"/{path}", "value": str(value)} for path, value in values.items()]
        self._writes.update_stage(restApiId=id, stageName=stage, patchOperations=edits)

    def _clear(self, id: str, wanted: RestApiState, seen: RestApiState) -> None:
        """Take away what the stage does not need any more: it shows what is wanted."""
        permissions = Permissions(self.cloud, id, seen.title)
        for one in sorted(seen.permissions - wanted.permissions):
            permissions.remove(one)
        if seen.leaving:
            self.tag(id, {}, list(leaving_tags(seen.leaving)))
        if seen.spare:
            shown = {one.get("deploymentId") for one in self._reads.get_stages(restApiId=id)["item"]}
            for spare in {one["id"] for one in self._listed("get_deployments", id)} - shown:
                self._writes.delete_deployment(restApiId=id, deploymentId=spare)

    # -- ends ---------------------------------------------------------------------------------------------------------

    @property
    def _reads(self) -> Any:
        return self.cloud.read("apigateway")

    @property
    def _writes(self) -> Any:
        return self.cloud.write("apigateway")

    @property
    def _functions(self) -> str:
        """ARN of a function, without its name."""
        return arn(self.cloud, "lambda", "function:")

    def _arn(self, path: str) -> str:
        """API Gateway's ARNs name no account."""
        return f"arn:{partition(self.cloud.region)}:apigateway:{self.cloud.region}::{path}"

    def _body(self, title: str, routes: frozenset[str], allowed: str) -> dict[str, Any]:
        return definition.openapi(title, routes, allowed, self.cloud.region, self._functions)

    def _listed(self, operation: str, id: str, **arguments: Any) -> list[dict[str, Any]]:
        pages = self._reads.get_paginator(operation).paginate(
            restApiId=id, **arguments, PaginationConfig={"PageSize": PAGE}
        )
        return [one for page in pages for one in page["items"]]


def _limits(wanted: RestApiState) -> dict[str, Any]:
    """As paths of a patch of a stage: https://docs.aws.amazon.com/apigateway/latest/api/API_UpdateStage.html."""
    return {
        f"{EVERY_METHOD}/throttling/rateLimit": wanted.rate,
        f"{EVERY_METHOD}/throttling/burstLimit": wanted.burst,
    }
