"""``awsrun policy``: the least rights that a spec's user needs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from awsrun.cli.output import context_option, emit, json_option, say
from awsrun.cli.specs import variables_option

if TYPE_CHECKING:
    from awsrun.aws.clients import Cloud
    from awsrun.aws.rights import Right
    from awsrun.spec.stack import StackSpec

EVERYTHING = "all"


@click.command()
@click.argument("spec", type=click.Path())
@click.option(
    "--for",
    "commands",
    multiple=True,
    type=click.Choice(["plan", "apply", "adopt", "teardown", "submit", "results", "invoke", "ssh", EVERYTHING]),
    help="What it is for (repeatable): plan (and drift, status, outputs, doctor), apply (and plan), teardown, submit "
    "(and cancel, retry, resume, results), results (and runs, show, plot, logs), invoke, ssh (and jupyter), or all: "
    "the default; and adopt, which all does not have, because it may take over what nobody owns.",
)
@click.option("--account", metavar="ID", help="The account it is for (default: that of the credentials).")
@click.option("--region", help="The region it is for (default: the context's).")
@click.option(
    "--boundary",
    metavar="ARN",
    help="Only roles with this permissions boundary may be made (default: that of `awsrun use aws --boundary`).",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it to this file, or to several numbered ones where it is too long for one managed policy.",
)
@variables_option
@context_option
@json_option
def policy(
    spec: str,
    variables: Mapping[str, str],
    commands: Sequence[str],
    account: str | None,
    region: str | None,
    boundary: str | None,
    output: Path | None,
    context: str | None,
    as_json: bool,
) -> None:
    """Print the IAM policy that whoever works with SPEC needs, and nothing beyond.

    \b
      awsrun policy specs/batch.yaml -o policy.json
      awsrun policy specs/batch.yaml --for submit                for those who only run jobs
      awsrun policy specs/batch.yaml --account 123456789012 --region eu-west-1
      awsrun policy specs/batch.yaml --boundary arn:aws:iam::123456789012:policy/lab

    It follows from the spec: generate it again when the spec gets other kinds of resources, names of your own, or other
    managed policies.  Nothing is called but STS, and that only where account or region are not given.
    """
    from awsrun.aws import documents
    from awsrun.reconcile import api

    stack = api.load(spec, variables)
    cloud = _cloud(context, account, region, boundary)
    say(f"for stack {stack.stack} in account {cloud.account}, {cloud.region}{_which(cloud)}")
    wanted = rights_of(stack, cloud, commands or (EVERYTHING,))
    whole, parts = documents.document(documents.statements(wanted)), documents.documents(wanted)
    if as_json:
        emit({"stack": stack.stack, "account": cloud.account, "region": cloud.region, "documents": parts})
    elif output is None:
        emit(whole)
        _advise(spec, stack.stack, documents.size(whole), len(parts))
    else:
        _write(stack.stack, output, parts)
    _warn(cloud.context.boundary, wanted)


def _cloud(context: str | None, account: str | None, region: str | None, boundary: str | None) -> Cloud:
    """Where the policy is for; asks STS only for what is not given and not known."""
    from dataclasses import replace

    from awsrun.aws.clients import connect, offline
    from awsrun.aws.context import check_boundary, current

    chosen = current(context)
    chosen = replace(chosen, boundary=check_boundary(boundary) or chosen.boundary)
    if account is not None and not (account.isdigit() and len(account) == 12):
        raise click.BadParameter(f"an account is 12 digits, not {account!r}", param_hint="--account")
    if chosen.name == "aws" and not (account and (region or chosen.region)):
        chosen = connect(replace(chosen, region=region or chosen.region)).context
    return offline(replace(chosen, account=account or chosen.account, region=region or chosen.region))


def _which(cloud: Cloud) -> str:
    from awsrun.aws.context import LOCAL_ACCOUNT

    local = cloud.context.name == "local" and cloud.account == LOCAL_ACCOUNT
    return " (the embedded cloud; for AWS: --context aws, or --account and --region)" if local else ""


def _warn(boundary: str | None, rights: Sequence[Right]) -> None:
    """What making roles means."""
    if not any("iam:PutRolePolicy" in right.actions for right in rights):
        return
    if boundary:
        say(f"its holder has to name the boundary: awsrun use aws --boundary {boundary} (or AWSRUN_BOUNDARY)")
    else:
        say("note: whoever may make roles can get any right through them; --boundary ARN keeps roles within a policy")


def rights_of(stack: StackSpec, cloud: Cloud, commands: Sequence[str]) -> list[Right]:
    """What these commands need for ``stack``, `EVERYTHING` meaning all of them.  Calls nothing."""
    from awsrun.invoke import rights as invoke
    from awsrun.jobs import rights as jobs
    from awsrun.preflight import rights as preflight
    from awsrun.reconcile import rights as stacks
    from awsrun.resources.registry import Kinds
    from awsrun.ssh import rights as ssh
    from awsrun.ssh.machine import INSTANCE

    own = [verb for verb in stacks.VERBS if verb != "adopt"]
    kinds = Kinds(cloud)
    where = stacks.where_jobs_run(stack, kinds, cloud)
    found: list[Right] = []
    for command in commands:
        every = command == EVERYTHING
        if command in (EVERYTHING, "plan", "apply"):
            found += preflight.rights(cloud, stack.resources, stack.jobs)
        for one in own if every else {command} & stacks.VERBS.keys():
            found += stacks.rights(stack, kinds, cloud, one)
        if command == "invoke" or every:
            found += invoke.rights(cloud, stack.stack, stack.resources)
        servers = any(one.kind == INSTANCE for one in stack.resources.values())
        if command == "ssh" or (every and servers):
            found += ssh.rights(cloud, stack.stack)
        for one in jobs.VERBS if every else {command} & jobs.VERBS.keys():
            found += jobs.rights(cloud, stack.stack, where, one)
    return found


def _advise(spec: str, stack: str, characters: int, parts: int) -> None:
    """How to make a policy of what went to stdout."""
    from awsrun.aws.documents import INLINE_ROLE, INLINE_USER, MANAGED

    if parts > 1:
        say(f"{characters:,} characters; a managed policy may have {MANAGED:,}: as {parts} of them")
        say(f"  awsrun policy {spec} -o policy.json")
    else:
        say(f"{characters:,} of the {MANAGED:,} characters of a managed policy; to make it one:")
        say(f"  awsrun policy {spec} > policy.json; {_create(f'awsrun-{stack}', Path('policy.json'))}")
    fits = [f"{who} ({most:,})" for who, most in (("user", INLINE_USER), ("role", INLINE_ROLE)) if characters <= most]
    if fits:
        say(f"  it fits as the inline policy of a {' or a '.join(fits)}, too")


def _write(stack: str, output: Path, parts: Sequence[Any]) -> None:
    many = len(parts) > 1
    say("to make a managed policy of it:" if not many else f"{len(parts)} files; to make managed policies of them:")
    for number, part in enumerate(parts, 1):
        path = output.with_stem(f"{output.stem}-{number}") if many else output
        path.write_text(json.dumps(part, indent=2) + "\n", encoding="utf-8")
        say(f"  {_create(f'awsrun-{stack}-{number}' if many else f'awsrun-{stack}', path)}")
    say("  aws iam attach-user-policy --user-name NAME --policy-arn ARN" + ("  # each" if many else ""))


def _create(name: str, path: Path) -> str:
    return f"aws iam create-policy --policy-name {name} --policy-document file://{path}"
