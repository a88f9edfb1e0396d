"""Variables of specs: where values come from, what type they have, where they stand, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from awsrun.aws.errors import AwsrunError
from awsrun.reconcile import api
from awsrun.resources.batch_job_definition_spec import JobDefinitionSpec
from awsrun.resources.logs_group import LogGroupSpec
from awsrun.resources.models import SpecModels
from awsrun.resources.s3_bucket import BucketSpec
from awsrun.spec.json_schema import json_schema
from awsrun.spec.load import parse
from awsrun.spec.stack import StackSpec
from awsrun.spec.variables import Given

SPEC = """\
stack: $team
variables:
  team: lab
  days: {type: integer, choices: [7, 14, 30], help: how long logs are kept}
  purge: false
  command: [python, "$FILE", $$days, 'a $$team of $HOME']
  source: {default: logs, help: which group}
resources:
  logs: {kind: logs.group, retention_days: $days}
  results: {kind: s3.bucket, purge: $purge}
  train: {kind: batch.job_definition, image: python, command: $command, log_group: $source, vcpus: 1, memory_mib: 512}
"""


def read(text: str = SPEC, environment: dict[str, str] | None = None, **options: str) -> StackSpec:
    return parse(text, "spec.yaml", SpecModels(), Given(options, environment or {}))


def mistakes(text: str = SPEC, environment: dict[str, str] | None = None, **options: str) -> list[str]:
    with pytest.raises(AwsrunError) as caught:
        read(text, environment, **options)
    return caught.value.why.splitlines()


def test_values_come_from_options_then_the_environment_then_defaults() -> None:
    environment = {"AWSRUN_VAR_days": "14", "AWSRUN_VAR_purge": "true", "AWSRUN_VAR_of_another_spec": "1"}
    spec = read(environment=environment, days="30")
    assert (spec.stack, spec.variables) == (
        "lab",
        {"team": "lab", "days": 30, "purge": True, "source": "logs"}
        | {"command": ["python", "$FILE", "$$days", "a $$team of $HOME"]},
    )
    logs, results, train = (spec.resources[name] for name in ("logs", "results", "train"))
    assert isinstance(logs, LogGroupSpec) and logs.retention_days == 30
    assert isinstance(results, BucketSpec) and results.purge is True
    assert isinstance(train, JobDefinitionSpec) and train.log_group == "logs", "a reference may be a variable"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$team", "lab"),
        ("$$team", "$team"),
        ("'a $$team of $HOME'", "a $team of $HOME"),
        ("$HOME", "$HOME"),
        ("'$1 and $$'", "$1 and $$"),
        ('"#!/bin/sh\\necho $team"', "#!/bin/sh\necho $team"),
    ],
)
def test_only_a_whole_text_is_a_reference(text: str, value: str) -> None:
    train = read(SPEC.replace("command: $command", f"command: [{text}]"), days="7").resources["train"]
    assert isinstance(train, JobDefinitionSpec) and list(train.command or ()) == [value]


def test_a_list_may_be_given_in_a_word() -> None:
    for text in ("sh,-c,ls", "[sh, -c, ls]"):
        train = read(days="7", command=text).resources["train"]
        assert isinstance(train, JobDefinitionSpec) and list(train.command or ()) == ["sh", "-c", "ls"]


def test_all_that_have_no_value_are_named_at_once() -> None:
    with pytest.raises(AwsrunError) as caught:
        read(SPEC.replace("team: lab", "team:"))
    assert caught.value.what == "spec.yaml needs values for the variables team, days"
    assert caught.value.why.splitlines() == ["  team: text", "  days: one of 7, 14, 30; how long logs are kept"]
    assert caught.value.hint.startswith("add --var team=... --var days=... (or set AWSRUN_VAR_team=...")


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (("", ""), {"day": "7"}, "spec.yaml:2: variables: --var day: no variable of that name; did you mean 'days'?"),
        (("", ""), {"days": "8"}, "spec.yaml:4: variables.days: --var: 8 is not one of its choices: 7, 14, 30"),
        (("", ""), {"days": "x"}, "spec.yaml:4: variables.days: --var must be a whole number; this is 'x'"),
        (("", ""), {"purge": "yes"}, "spec.yaml:5: variables.purge: --var must be true or false; this is 'yes'"),
        (("$purge", "$purg"), {}, "resources.results.purge: no variable named 'purg'; did you mean 'purge'?"),
        (("$purge", "$Purge"), {}, "resources.results.purge: no variable named 'Purge'; did you mean 'purge'?"),
        (("$purge", '"${purge}"'), {}, "resources.results.purge: a variable is named without braces: $purge"),
        (("$purge", "${purge}"), {}, "spec.yaml:10: not YAML: a variable is named without braces: $name"),
        (("purge: $purge", "name: x-$team"), {}, "results.name: $team is a whole value or none"),
        (("purge: false", "purge: maybe"), {}, "must be true or false; this is 'maybe' (variable 'purge', from its de"),
        (("stack: $team", "stack: $team"), {"team": "Lab"}, "and does not start with awsrun (variable 'team', from --"),
        (("$source", "$source"), {"source": "log"}, "no resource named 'log'; did you mean 'logs'? (variable 'source'"),
        (("team: lab", "Team: lab"), {}, "spec.yaml:3: variables.Team: 'Team' will not do"),
        (("type: integer", "type: int"), {}, "variables.days.type: 'int' is not allowed; did you mean 'integer'?"),
        (("type: integer", "default: 8"), {}, "variables.days.default: 8 is not one of its choices"),
        (("type: integer", "default: a"), {}, "variables.days.choices: must be text; one is 7"),
    ],
)  # fmt: skip
def test_mistakes_are_told_where_they_stand(change: tuple[str, str], options: dict[str, str], said: str) -> None:
    assert said in "\n".join(mistakes(SPEC.replace(*change), {"AWSRUN_VAR_days": "7"}, **options))


def test_what_is_not_known_is_one_mistake() -> None:
    assert len(mistakes(SPEC.replace("$purge", "$purg"), days="7")) == 1
    assert len(mistakes(days="8")) == 1


def test_editors_know_variables_wherever_a_value_stands() -> None:
    validator = jsonschema.Draft202012Validator(json_schema(SpecModels()))
    assert [error.message for error in validator.iter_errors(yaml.safe_load(SPEC))] == []
    for right, wrong in (("$purge", "purge"), ("$days", "$Days"), ("type: integer", "type: int")):
        assert list(validator.iter_errors(yaml.safe_load(SPEC.replace(right, wrong)))), wrong


def test_programs_give_values_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    monkeypatch.setenv("AWSRUN_VAR_team", "their")
    values: dict[str, Any] = {"days": 7, "purge": True, "command": ["a", "b"]}
    spec = api.load(path, values)
    assert {**spec.variables} == {**values, "team": "their", "source": "logs"}
