"""What the reference says of each kind beside its fields: found out from its example, with no call and no account."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

from awsrun.aws.clients import offline
from awsrun.aws.context import LOCAL, LOCAL_REGION
from awsrun.prices.table import shipped
from awsrun.reconcile import graph as graphs
from awsrun.reconcile.bill import bill_of
from awsrun.reconcile.clock import SystemClock, timing_of
from awsrun.reconcile.outlook import lowered
from awsrun.reconcile.session import Session
from awsrun.resources import policies
from awsrun.resources.kind import Kind, replace_fields
from awsrun.resources.models import SpecModels
from awsrun.resources.registry import Kinds
from awsrun.spec.load import parse
from awsrun.spec.pages import About, example
from awsrun.spec.stack import StackSpec

FILES = {"requirements.txt": "torch\n", "page/index.html": "<!doctype html><title>Hello</title>\n"}
"""What the examples name, where they are read."""


def about() -> dict[str, About]:
    """Of every kind that a spec may have."""
    cloud = offline(LOCAL)
    session = Session(cloud, Kinds(cloud), SystemClock(), timing_of(cloud))
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder))
        return {name: _about(session, name, Path(folder)) for name in SpecModels()}


def source() -> str:
    """Where the prices come from."""
    return shipped(LOCAL_REGION).source


def write_files(folder: Path) -> None:
    """The `FILES`, below ``folder``."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def _about(session: Session, name: str, folder: Path) -> About:
    kind = session.kinds[name]
    price = _price(session, _stack(name, folder))
    fixed = sorted(replace_fields(kind.State))
    anew = "another revision" if kind.identity == "revision" else "another resource"
    return About(price, kind.usual, fixed, _grants(name), kind.holds_data, anew)


def _stack(kind: str, folder: Path) -> StackSpec:
    """The kind's example as a spec."""
    resources = "".join(f"  {line}\n" for line in example(SpecModels()[kind]).splitlines())
    return parse(f"stack: lab\nresources:\n{resources}", str(folder / "example.yaml"), SpecModels())


def _price(session: Session, stack: StackSpec) -> str:
    """What the last resource costs, and then each of its parts that costs, in words."""
    graph, main = graphs.build(stack, session.kinds), list(stack.resources)[-1]
    nodes = [graph.nodes[name] for name in sorted(graph.group(main), key=lambda name: name != main)]
    priced = [node for node in nodes if type(session.kinds[node.kind]).price is not Kind.price]
    states = [(node.name, node.kind, lowered(session, graph, node, {})) for node in priced]
    bill = bill_of(session, states)
    said = [_part(name) + (price.note if price.free else price.hourly) for name, price in bill.prices.items()]
    free = all(price.free for price in bill.prices.values())
    return "; ".join(["nothing by the hour", *said] if said and free else said) or "nothing"


def _part(name: str) -> str:
    """``logs: `` of ``hello/logs``; nothing of the resource itself."""
    return f"{name.partition('/')[2]}: " if "/" in name else ""


def _grants(kind: str) -> dict[str, list[str]]:
    """Kind of access -> what it allows."""
    found: dict[str, list[str]] = {}
    for access in get_args(policies.Access):
        with suppress(KeyError):
            statements: list[Any] = policies.grant(kind, "ARN", access)
            found[access] = [action for one in statements for action in one["Action"]]
    return found
