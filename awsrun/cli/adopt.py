"""``awsrun adopt``: take over what exists already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from awsrun.cli.output import common, connect, emit, say
from awsrun.cli.specs import variables_option

if TYPE_CHECKING:
    from awsrun.reconcile.adopt import Adoption


def _pairs(ctx: click.Context, param: click.Parameter, written: tuple[str, ...]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for text in written:
        name, equals, id = text.partition("=")
        if not equals or not name or not id:
            raise click.BadParameter(f"{text!r} is not NAME=ID")
        if name in found or id in found.values():
            raise click.BadParameter(f"{text!r} names what was named before")
        found[name] = id
    return found


@click.command()
@click.argument("spec", type=click.Path())
@click.argument("resources", metavar="NAME=ID...", nargs=-1, required=True, callback=_pairs)
@click.option("--replace", "replacing", is_flag=True, help="Also what the next apply would have to replace.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@variables_option
@common
def adopt(
    spec: str,
    resources: Mapping[str, str],
    replacing: bool,
    yes: bool,
    variables: Mapping[str, str],
    context: str | None,
    as_json: bool,
) -> None:
    """Take over resources that exist already and are not awsrun's: each as the resource NAME of SPEC.

    \b
      awsrun adopt specs/lab.yaml results=our-old-bucket people=people
      awsrun adopt specs/lab.yaml network=vpc-0a1b network/public-0=subnet-0c2d
      awsrun apply specs/lab.yaml

    Write the resource into SPEC first, as it is (with `name:` where it has a name of its own).  What apply would change
    of it is shown, and asked about, before it gets the stack's tags; nothing else is changed here.  From then on it is
    the stack's own: apply changes it, teardown deletes it.  What belongs to another stack is refused.

    \b
      awsrun policy specs/lab.yaml --for adopt      the rights that it takes beside those of apply
    """
    from awsrun.reconcile import api

    stack = api.load(spec, variables)
    cloud = connect(context)
    out: Callable[[str], Any] = say if as_json else click.echo

    def confirm(found: Sequence[Adoption]) -> bool:
        from awsrun.cli.ask import agreed

        _show(stack.stack, found, out)
        what = f"{len(found)} resource{'s' if len(found) > 1 else ''}"
        return agreed(f"Make {what} part of stack {stack.stack}?", yes, f"{what} would be adopted")

    found = api.adopt(stack, resources, cloud, confirm, replacing)
    if as_json:
        emit({"stack": stack.stack, "adopted": [one.to_json() for one in found]})
    for name in resources.keys() - {one.name for one in found}:
        out(f"{name} ({resources[name]}) is part of stack {stack.stack} already")
    if found:
        out(f"stack {stack.stack}: {len(found)} adopted")
        say(f"next: awsrun apply {spec}")


def _show(stack: str, found: Sequence[Adoption], out: Callable[[str], Any]) -> None:
    from awsrun.cli.changes import text

    out(f"stack {stack} takes over:")
    width, kinds = max(len(one.name) for one in found), max(len(one.kind) for one in found)
    for one in found:
        out(f"{click.style('  <', fg='cyan', bold=True)} {one.name:<{width}}  {one.kind:<{kinds}}  {one.id}")
        for change in one.changes:
            must = click.style("  (cannot change in place)", fg="magenta") if change.replace else ""
            out(f"        {change.field}: {text(change.old)} → {text(change.new)}{must}")
        if not one.changes:
            out("        as the spec has it")
        if one.purge:
            out(click.style("        purge: true: what is in it goes with it when the stack is torn down", fg="yellow"))
    if any(one.changes for one in found):
        out("the next apply makes these changes; until then only tags are set")
