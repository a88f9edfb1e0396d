"""Documents say what rights say, in few statements and within IAM's limits; the command prints them without calling."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awsrun.aws.documents import MANAGED, document, documents, size, statements
from awsrun.aws.rights import Condition, Right, allow, equals, made_for, owned_by

WITHOUT_AWS = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "AWSRUN_"))}
AWSRUN = str(Path(sys.executable).parent / "awsrun")
TABLE = "stack: small\nresources:\n  people: {kind: dynamodb.table, hash_key: id}\n"
A, B = "arn:aws:x:::a", "arn:aws:x:::b"


def said(found: Iterable[Mapping[str, Any]]) -> list[tuple[list[str], list[str], Any]]:
    """Statements as (actions, resources, condition)."""
    listed = [(one["Action"], one["Resource"], one.get("Condition")) for one in found]
    return [([a] if isinstance(a, str) else a, [r] if isinstance(r, str) else r, when) for a, r, when in listed]


def test_what_is_allowed_on_the_same_resources_is_one_statement() -> None:
    found = statements([allow("read", "x", "Get", A), allow("create", "x", "Put", A, B), allow("tag", "x", "Get", B)])
    assert said(found) == [(["x:Get", "x:Put"], [A, B], None)]


def test_nothing_is_widened_by_putting_statements_together() -> None:
    found = statements([allow("read", "x", "Get", A), allow("create", "x", "Put", B)])
    assert said(found) == [(["x:Get"], [A], None), (["x:Put"], [B], None)]


def test_a_resource_that_a_pattern_covers_is_left_out() -> None:
    everything = "arn:aws:x:::*"
    assert said(statements([allow("a", "x", "Get", A), allow("b", "x", "Get", everything)])) == [
        (["x:Get"], [everything], None)
    ]
    assert said(statements([allow("a", "x", "Get", A, when=[owned_by("s")]), allow("b", "x", "Get", A)])) == [
        (["x:Get"], [A], None)
    ]


def test_values_of_one_condition_are_put_together_and_different_conditions_are_not() -> None:
    passing = [allow("a", "iam", "PassRole", A, when=[equals("k", one), made_for("s")]) for one in ("ec2", "ecs")]
    ((_, _, when),) = said(statements(passing))
    assert when == {"StringEquals": {"aws:RequestTag/awsrun:stack": "s", "k": ["ec2", "ecs"]}}
    apart = [allow("a", "x", "Put", A, when=[made_for("s")]), allow("a", "x", "Put", A, when=[owned_by("s")])]
    assert len(statements(apart)) == 2


RIGHTS = st.lists(
    st.builds(
        Right,
        st.just("any"),
        st.sets(st.sampled_from(["x:Get", "x:Put", "y:Make"]), min_size=1).map(lambda s: tuple(sorted(s))),
        st.sets(st.sampled_from(["a", "b", "a*", "ab", "b*", "*"]), min_size=1).map(lambda s: tuple(sorted(s))),
        st.sampled_from([(), *(((op, "k", (v,)),) for op in ("StringEquals", "Null") for v in ("1", "2"))]),
    ),
    max_size=8,
)


@settings(max_examples=300, deadline=None)
@given(RIGHTS, st.sampled_from([100, 200, MANAGED]))
def test_documents_allow_exactly_what_the_rights_do(rights: list[Right], limit: int) -> None:
    made = [one for part in documents(rights, limit) for one in part["Statement"]]
    for action in ("x:Get", "x:Put", "y:Make"):
        for resource in ("a", "b", "ab", "abc", "c"):
            for holds in ({}, {"StringEquals": "1"}, {"StringEquals": "2"}, {"Null": "1"}):
                wanted = any(_right(one, action, resource, holds) for one in rights)
                assert any(_statement(one, action, resource, holds) for one in made) == wanted


def _right(right: Right, action: str, resource: str, holds: Mapping[str, str]) -> bool:
    on = action in right.actions and any(fnmatchcase(resource, pattern) for pattern in right.resources)
    return on and all(holds.get(operator) in values for operator, _, values in right.when)


def _statement(one: Mapping[str, Any], action: str, resource: str, holds: Mapping[str, str]) -> bool:
    ((actions, resources, condition),) = said([one])
    when: list[Condition] = [
        (operator, key, tuple([v] if isinstance(v, str) else v))
        for operator, keys in (condition or {}).items()
        for key, v in keys.items()
    ]
    return _right(Right("", tuple(actions), tuple(resources), tuple(when)), action, resource, holds)


def test_what_is_too_long_for_one_document_becomes_several_within_the_limit() -> None:
    rights = [allow("a", "x", f"Action{n}", f"arn:aws:x:::{'long' * 20}{n}") for n in range(200)]
    found = documents(rights)
    assert len(found) > 2 and all(size(one) <= MANAGED for one in found)
    assert sum(len(one["Statement"]) for one in found) == 200
    assert documents([allow("a", "x", " ".join(f"Action{n}" for n in range(2000)), A)])[-1], "one statement, too long"
    assert all(size(one) <= MANAGED for one in documents([allow("a", "x", " ".join(f"A{n}" for n in range(2000)), A)]))


def test_white_space_does_not_count() -> None:
    whole = document(statements([allow("a", "x", "Get", A)]))
    assert size(whole) == len("".join(json.dumps(whole).split()))


def run(tmp_path: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """The command, with no credentials and nothing listening where AWS would be."""
    home = {"AWSRUN_HOME": str(tmp_path / "home"), "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    (tmp_path / "small.yaml").write_text(TABLE)
    unreachable = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    return subprocess.run(
        [AWSRUN, "policy", *arguments],
        cwd=tmp_path,
        env=WITHOUT_AWS | home | unreachable | env,
        capture_output=True,
        text=True,
    )


def test_the_local_context_is_answered_without_any_call(tmp_path: Path) -> None:
    done = run(tmp_path, "small.yaml", "--for", "plan")
    assert done.returncode == 0, done.stderr
    own = "arn:aws:dynamodb:us-east-1:123456789012:table/awsrun-small"
    tables = "arn:aws:dynamodb:us-east-1:123456789012:table/small-*"
    found = said(json.loads(done.stdout)["Statement"])
    assert (["dynamodb:GetItem"], [own], None) in found
    assert (["dynamodb:Scan"], [own, tables], None) in found
    described = ["dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:ListTagsOfResource"]
    assert (described, [tables], None) in found
    assert not (tmp_path / "home").exists(), "the embedded cloud was started"
    assert "aws iam create-policy --policy-name awsrun-small --policy-document file://policy.json" in done.stderr


def test_an_admin_makes_it_for_another_account_without_any_call(tmp_path: Path) -> None:
    other = ("--context", "aws", "--account", "210987654321", "--region", "eu-west-1")
    done = run(tmp_path, "small.yaml", *other, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["account"] == "210987654321"
    assert "arn:aws:dynamodb:eu-west-1:210987654321:table/small-*" in done.stdout
    asked = run(tmp_path, "small.yaml", "--context", "aws", "--region", "eu-west-1")
    assert asked.returncode == 1 and "cannot use AWS" in asked.stderr, "without an account it has to ask STS"
    assert run(tmp_path, "small.yaml", "--account", "12").returncode == 2


def test_a_boundary_goes_with_all_that_makes_or_widens_roles(tmp_path: Path) -> None:
    lab, batch = "arn:aws:iam::123456789012:policy/lab", str(Path(__file__).parents[2] / "specs" / "batch.yaml")
    done = run(tmp_path, batch, "--boundary", lab)
    assert done.returncode == 0, done.stderr
    assert f"awsrun use aws --boundary {lab}" in done.stderr
    for actions, _, when in said(json.loads(done.stdout)["Statement"]):
        widens = {"CreateRole", "PutRolePolicy", "AttachRolePolicy", "UpdateAssumeRolePolicy"}
        if widens & {action.removeprefix("iam:") for action in actions}:
            assert when["StringEquals"]["iam:PermissionsBoundary"] == lab, actions
    without = run(tmp_path, batch)
    assert "iam:PermissionsBoundary" not in without.stdout
    assert "whoever may make roles can get any right through them" in without.stderr


@pytest.mark.parametrize("size_of", ["small", "large"])
def test_files_are_written_with_the_commands_that_use_them(tmp_path: Path, size_of: str) -> None:
    spec = "small.yaml" if size_of == "small" else str(Path(__file__).parents[2] / "specs" / "batch.yaml")
    done = run(tmp_path, spec, "-o", "policy.json")
    assert done.returncode == 0 and not done.stdout, done.stderr
    written = sorted(path.name for path in tmp_path.glob("policy*.json"))
    assert written == (["policy.json"] if size_of == "small" else ["policy-1.json", "policy-2.json"])
    for name in written:
        assert f"file://{name}" in done.stderr
        assert size(json.loads((tmp_path / name).read_text())) <= MANAGED
