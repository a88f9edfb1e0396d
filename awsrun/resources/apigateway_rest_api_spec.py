"""What a user writes of a REST API: which function answers what, and whose pages may call it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from awsrun.spec.references import Misfit, RefTo, ResourceSpec

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "ANY")
ORIGIN = r"^(\*|https?://[A-Za-z0-9.-]+(:\d{1,5})?)$"
# What API Gateway takes between two slashes: text, or a parameter; one that ends in + takes the rest of the path.
_TEXT = re.compile(r"[A-Za-z0-9._:-]+")
_PARAMETER = re.compile(r"\{[A-Za-z0-9._:-]+\+?\}")


class Cors(BaseModel):
    """Who may call the API from a page in a browser."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    origin: str = Field(
        default="*",
        pattern=ORIGIN,
        description="Where the page comes from (https://example.org), or * for any page. A browser takes one alone.",
    )
    headers: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]] = Field(
        default=["Authorization", "Content-Type"], description="Headers that the page may send."
    )


class RestApiSpec(ResourceSpec):
    """A REST API, regional, whose routes are answered by functions. Idle it costs nothing; it is paid by request."""

    outputs = ("arn", "id", "name", "stage", "url")
    example = """
    hello: {kind: lambda.function, code: "def handler(event, context): return {'statusCode': 200, 'body': 'Hello'}"}
    api: {kind: apigateway.rest_api, routes: {GET /hello: hello}, cors: true}
    """
    kind: Literal["apigateway.rest_api"] = "apigateway.rest_api"
    name: str | None = Field(
        default=None, min_length=1, max_length=128, pattern=r"^[A-Za-z0-9 ._-]+$", description="Name in AWS."
    )
    routes: dict[str, Annotated[str, RefTo("lambda.function")]] = Field(
        min_length=1,
        description="Which function answers: `METHOD /path: function`. METHOD is one of "
        f"{', '.join(METHODS)}; /items/{{id}} has a parameter, /{{rest+}} takes all that is left of a path.",
    )
    cors: bool | Cors = Field(
        default=False,
        description="Whether pages of other origins may call it: true, or {origin: ..., headers: [...]}. Answers of "
        "functions must carry Access-Control-Allow-Origin themselves; preflights and errors are taken care of.",
    )
    stage: str = Field(
        default="live", pattern=r"^[A-Za-z0-9_-]{1,128}$", description="Name of the stage, the first part of the path."
    )
    rate: float = Field(
        default=100, gt=0, le=10_000, description="Requests a second that are let through; the others get a 429."
    )
    burst: int = Field(default=500, ge=1, le=5_000, description="Requests let through at once before rate counts.")

    @field_validator("routes")
    @classmethod
    def _routes(cls, value: dict[str, str]) -> dict[str, str]:
        variables: dict[str, str] = {}
        for route in value:
            _check(route, variables)
        return value

    @model_validator(mode="after")
    def _one_answer(self) -> RestApiSpec:
        taken = [route for route in self.routes if route.startswith("OPTIONS ")]
        if self.cors and taken:
            raise ValueError(f"cors answers OPTIONS by itself: leave out {taken[0]!r}, or cors")
        return self

    @property
    def allowed(self) -> Cors | None:
        """Who may call it from a browser; None for pages of its own origin alone."""
        return Cors() if self.cors is True else self.cors or None

    def within(self, stack: Mapping[str, ResourceSpec]) -> ResourceSpec:
        """Raises Misfit where another API of the stack has its name: their permissions could not be told apart."""
        same = [one for one in stack.values() if isinstance(one, RestApiSpec) and one.name and one.name == self.name]
        if len(same) > 1:
            raise Misfit("name", f"two APIs of the stack are called {self.name!r}")
        return self


def _check(route: str, variables: dict[str, str]) -> None:
    """Raise ValueError where API Gateway would not take ``route``.

    Args:
        variables: the parameter that other routes have below each path; it is added to.
    """
    method, _, path = route.partition(" ")
    if method not in METHODS or not path.startswith("/"):
        raise ValueError(f"write a route as METHOD /path (GET /items/{{id}}), not {route!r}")
    parts = path[1:].split("/") if path != "/" else []
    for number, part in enumerate(parts):
        if not _TEXT.fullmatch(part) and not _PARAMETER.fullmatch(part):
            raise ValueError(f"{route}: {part!r} is neither text nor a parameter like {{id}}")
        if part.startswith("{") and variables.setdefault("/".join(parts[:number]), part) != part:
            other = variables["/".join(parts[:number])]
            raise ValueError(f"{route}: {part} and {other} of another route stand at the same place: name them alike")
        if part.endswith("+}") and number < len(parts) - 1:
            raise ValueError(f"{route}: nothing may follow {part}, which takes all of the rest")
    names = [part.strip("{+}") for part in parts if part.startswith("{")]
    if len(set(names)) < len(names):
        raise ValueError(f"{route}: two parameters have one name")
