"""Every mistake a spec can have is named with its line, its field and the nearest valid spelling, all in one error."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from awsrun.aws.errors import AwsrunError
from awsrun.spec.load import load, parse
from awsrun.spec.references import RefTo, ResourceSpec, Value, references, valued


class Network(ResourceSpec):
    kind: Literal["vpc"]
    cidr: str = "10.0.0.0/16"
    max_azs: int = Field(default=2, ge=1, le=4)

    @field_validator("cidr")
    @classmethod
    def possible(cls, value: str) -> str:
        try:
            return str(ipaddress.IPv4Network(value))
        except ValueError as error:
            raise ValueError(f"{value!r} is no network: {error}") from error


class Rule(BaseModel):
    model_config = ConfigDict(extra="forbid")
    port: int
    group: Annotated[str, RefTo("security_group", edge=False)] | None = None


class Group(ResourceSpec):
    kind: Literal["security_group"]
    vpc: Annotated[str, RefTo("vpc")]
    ingress: tuple[Rule, ...] = ()


class Environment(ResourceSpec):
    kind: Literal["batch.compute_environment"]
    vpc: Annotated[str, RefTo("vpc")]
    type: Literal["EC2", "SPOT", "FARGATE"] = "EC2"
    instance_types: tuple[str, ...] = ()
    spot: bool = False
    after: Annotated[str, RefTo("batch.job_queue")] | None = None

    @model_validator(mode="after")
    def agree(self) -> Environment:
        if self.type == "FARGATE" and self.instance_types:
            raise ValueError("Fargate has no instance types: leave instance_types out")
        return self


class Queue(ResourceSpec):
    kind: Literal["batch.job_queue"]
    compute_environments: Annotated[list[str], RefTo("batch.compute_environment")] = Field(min_length=1)
    weight: float | None = None


class Definition(ResourceSpec):
    kind: Literal["batch.job_definition"]


class Bucket(ResourceSpec):
    outputs = ("arn", "name")
    kind: Literal["s3.bucket"]


class Function(ResourceSpec):
    kind: Literal["lambda.function"]
    environment: dict[str, Value] = Field(default={})


MODELS = {model.model_fields["kind"].annotation.__args__[0]: model for model in ResourceSpec.__subclasses__()}
MODELS = {kind: model for kind, model in MODELS.items() if model.__module__ == __name__}

RULE = "  ssh:\n    kind: security_group\n    vpc: network\n    ingress:\n      - port: 22\n        {line}\n  results:"
GOOD = """\
stack: mnist
resources:
  network: {kind: vpc, cidr: 10.10.0.0/23, max_azs: 1}
  results: {kind: s3.bucket}
  compute: {kind: batch.compute_environment, vpc: network, instance_types: [g4dn.xlarge]}
  queue: {kind: batch.job_queue, compute_environments: [compute]}
  train: {kind: batch.job_definition}
"""

# (why it is refused, what of the good spec is replaced, by what, the lines that must be in the error)
MISTAKES = [
    (
        "a misspelt reference names the nearest resource of a fitting kind",
        "vpc: network",
        "vpc: netwrok",
        ["s.yaml:5: resources.compute.vpc: no resource named 'netwrok'; did you mean 'network'?"],
    ),
    (
        "a reference inside a list is placed by its index",
        "[compute]",
        "[compute, compuet]",
        [
            "s.yaml:6: resources.queue.compute_environments[1]: no resource named 'compuet'; did you mean 'compute'?",
        ],
    ),
    (
        "a reference to a resource of another kind says both kinds",
        "vpc: network",
        "vpc: results",
        ["s.yaml:5: resources.compute.vpc: 'results' is a s3.bucket, but this names a vpc"],
    ),
    (
        "an unknown key names the nearest field",
        "max_azs: 1",
        "max_az: 1",
        ["s.yaml:3: resources.network.max_az: unknown key; did you mean 'max_azs'?"],
    ),
    (
        "an unknown key at the top",
        "resources:",
        "resorces: {}\nresources:",
        ["s.yaml:2: resorces: unknown key; did you mean 'resources'?"],
    ),
    (
        "an unknown kind",
        "kind: s3.bucket",
        "kind: s3.bukcet",
        ["s.yaml:4: resources.results.kind: no kind 's3.bukcet'; did you mean 's3.bucket'?"],
    ),
    (
        "a resource without a kind",
        "{kind: s3.bucket}",
        "{name: x}",
        ["s.yaml:4: resources.results.kind: missing (there are: batch.compute_environment,"],
    ),
    (
        "text where a number is wanted",
        "max_azs: 1",
        "max_azs: two",
        ["s.yaml:3: resources.network.max_azs: must be a whole number; this is 'two'"],
    ),
    (
        "a truth value where a number is wanted is not 1",
        "max_azs: 1",
        "max_azs: true",
        ["s.yaml:3: resources.network.max_azs: must be a whole number; this is true"],
    ),
    (
        "a number out of bounds",
        "max_azs: 1",
        "max_azs: 9",
        ["s.yaml:3: resources.network.max_azs: must be at most 4; this is 9"],
    ),
    (
        "text where a list is wanted",
        "[g4dn.xlarge]",
        "g4dn.xlarge",
        ["s.yaml:5: resources.compute.instance_types: must be a list; this is 'g4dn.xlarge'"],
    ),
    (
        "a number where text is wanted says how to write it",
        "{kind: s3.bucket}",
        "{kind: s3.bucket, name: 12}",
        ["s.yaml:4: resources.results.name: must be text; this is 12 (put it in quotes)"],
    ),
    (
        "an empty list",
        "[compute]",
        "[]",
        ["s.yaml:6: resources.queue.compute_environments: must have this many entries or more: 1; this is a list"],
    ),
    (
        "a choice misspelt",
        "vpc: network,",
        "vpc: network, type: FARGAT,",
        ["s.yaml:5: resources.compute.type: 'FARGAT' is not allowed; did you mean 'FARGATE'?"],
    ),
    (
        "a missing field stands at its resource",
        "vpc: network, ",
        "",
        ["s.yaml:5: resources.compute.vpc: missing"],
    ),
    (
        "what a model says of itself as a whole stands at the resource",
        "vpc: network,",
        "vpc: network, type: FARGATE,",
        ["s.yaml:5: resources.compute: Fargate has no instance types: leave instance_types out"],
    ),
    (
        "an impossible network, in the kind's own words",
        "10.10.0.0/23",
        "10.10.0.1/23",
        ["s.yaml:3: resources.network.cidr: '10.10.0.1/23' is no network: 10.10.0.1/23 has host bits set"],
    ),
    (
        "networks that overlap",
        "  results:",
        "  other: {kind: vpc, cidr: 10.10.1.0/24}\n  results:",
        ["s.yaml:4: resources.other.cidr: 10.10.1.0/24 overlaps 10.10.0.0/23 of resources.network.cidr"],
    ),
    (
        "a circle is shown as a path, from the resource that stands first",
        "vpc: network,",
        "vpc: network, after: queue,",
        ["s.yaml:5: resources.compute: a circle of references: compute → queue → compute"],
    ),
    (
        "a key written twice",
        "  results:",
        "  network: {kind: vpc}\n  results:",
        ["s.yaml:4: resources.network: written twice: first on line 3"],
    ),
    (
        "names that would be the same in AWS",
        "  results:",
        "  my-data: {kind: s3.bucket}\n  my_data: {kind: s3.bucket}\n  results:",
        [
            "s.yaml:5: resources.my_data: too like 'my-data': physical names would be the same",
            "jobs.bucket: missing; say",
        ],
    ),
    (
        "a name that AWS would not take",
        "  results:",
        "  Results:",
        ["s.yaml:4: resources.Results: 'Results' will not do: "],
    ),
    (
        "a resource that is no mapping",
        "{kind: s3.bucket}",
        "s3.bucket",
        ["s.yaml:4: resources.results: must be lines such as `kind: vpc`; this is 's3.bucket'"],
    ),
    ("a stack's name with capitals", "stack: mnist", "stack: MNIST", ["s.yaml:1: stack: 'MNIST' will not do: "]),
    ("a stack's name like awsrun's own", "stack: mnist", "stack: awsrun", ["s.yaml:1: stack: 'awsrun' will not do: "]),
    ("a stack's name that is a number", "stack: mnist", "stack: 12", ["s.yaml:1: stack: 12 will not do: "]),
    ("no stack", "stack: mnist\n", "", ["s.yaml:1: stack: missing: a spec starts with `stack: NAME`"]),
    (
        "a key deep inside, in a list",
        "  results:",
        RULE.format(line="grup: ssh"),
        ["s.yaml:9: resources.ssh.ingress[0].grup: unknown key; did you mean 'group'?"],
    ),
    (
        "a reference deep inside, in a list",
        "  results:",
        RULE.format(line="group: shs"),
        ["s.yaml:9: resources.ssh.ingress[0].group: no resource named 'shs'; did you mean 'ssh'?"],
    ),
    (
        "jobs name resources of the right kinds",
        "resources:",
        "jobs: {queue: train, definitoin: train}\nresources:",
        [
            "s.yaml:2: jobs.queue: 'train' is a batch.job_definition, but this names a batch.job_queue",
            "s.yaml:2: jobs.definitoin: unknown key; did you mean 'definition'?",
        ],
    ),
    (
        "two queues: jobs cannot guess",
        "  train:",
        "  slow: {kind: batch.job_queue, compute_environments: [compute]}\n  train:",
        ["s.yaml:1: jobs.queue: missing; say which: queue, slow"],
    ),
    (
        "an output that the resource does not have",
        "  train:",
        "  say: {kind: lambda.function, environment: {BUCKET: results.nam}}\n  train:",
        ["s.yaml:7: resources.say.environment.BUCKET: 'results' has no output 'nam'; did you mean 'name'?"],
    ),
    (
        "an output of a resource that is not there",
        "  train:",
        "  say: {kind: lambda.function, environment: {BUCKET: result.name}}\n  train:",
        [
            "s.yaml:7: resources.say.environment.BUCKET: no resource named 'result'; did you mean 'results'? "
            "(just text? {text: result.name})"
        ],
    ),
    (
        "outputs that need each other",
        "  train:",
        "  one: {kind: lambda.function, environment: {A: two.arn}}\n"
        "  two: {kind: lambda.function, environment: {B: one.arn}}\n  train:",
        [
            "s.yaml:7: resources.one: a circle of references: one → two → one",
            "s.yaml:7: resources.one.environment.A: 'two' has no output 'arn'",
            "s.yaml:8: resources.two.environment.B: 'one' has no output 'arn'",
        ],
    ),
    ("a tab", "  results:", "\tresults:", ["s.yaml:4: a tab: YAML is indented with spaces"]),
    ("a bracket left open", "[compute]}", "[compute}", ["s.yaml:6: not YAML: "]),
    ("two colons in a line", "stack: mnist", "stack: mnist: x", ["s.yaml:1: not YAML: a second ': ' in one line"]),
    (
        "a tag that would run code",
        "stack: mnist",
        "stack: !!python/object/apply:os.system [ls]",
        ["s.yaml:1: not YAML: "],
    ),
]


@pytest.mark.parametrize(("reason", "old", "new", "lines"), MISTAKES, ids=[case[0] for case in MISTAKES])
def test_a_mistake_is_named(reason: str, old: str, new: str, lines: list[str]) -> None:
    assert old in GOOD, "the case changes nothing"
    with pytest.raises(AwsrunError) as caught:
        parse(GOOD.replace(old, new, 1), "s.yaml", MODELS)
    for line in lines:
        assert line in caught.value.why, reason
    assert len(caught.value.why.splitlines()) == len(lines), f"{reason}, and nothing else:\n{caught.value.why}"


def test_all_mistakes_come_at_once_in_the_order_of_the_file() -> None:
    text = GOOD.replace("max_azs: 1", "max_azs: 0").replace("vpc: network", "vpc: nework").replace("s3.bucket", "s4")
    with pytest.raises(AwsrunError) as caught:
        parse(text, "s.yaml", MODELS)
    assert caught.value.what == "s.yaml has 3 mistakes"
    assert [line.split(":")[1] for line in caught.value.why.splitlines()] == ["3", "4", "5"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "s.yaml:1: the file is empty"),
        ("# nothing\n", "s.yaml:1: the file is empty"),
        ("- a\n- b\n", "s.yaml:1: a spec is lines such as"),
        ("stack: a\n", "s.yaml:1: resources: missing"),
        ("stack: a\nresources: []\n", "s.yaml:2: resources: must be lines such as"),
        ("stack: a\nresources: {}\n---\nstack: b\n", "not YAML"),
        ("stack: a\nresources: &a {x: *a}\n", "this alias contains itself"),
        ("stack: a\x07\n", "s.yaml:1: character"),
    ],
)
def test_what_is_no_spec_at_all(text: str, said: str) -> None:
    with pytest.raises(AwsrunError) as caught:
        parse(text, "s.yaml", MODELS)
    assert said in caught.value.why


def test_aliases_of_aliases_do_not_fill_the_memory() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    with pytest.raises(AwsrunError) as caught:
        parse(bomb, "s.yaml", MODELS)
    assert "too many values" in caught.value.why


def test_a_good_spec_is_read() -> None:
    stack = parse(GOOD, "s.yaml", MODELS)
    assert stack.stack == "mnist"
    assert list(stack.resources) == ["network", "results", "compute", "queue", "train"]
    assert stack.jobs is not None
    assert (stack.jobs.queue, stack.jobs.definition, stack.jobs.bucket) == ("queue", "train", "results")


def test_a_stack_without_a_queue_has_no_jobs() -> None:
    text = "".join(line for line in GOOD.splitlines(keepends=True) if "job_queue" not in line)
    assert parse(text, "s.yaml", MODELS).jobs is None


def test_grants_may_go_in_circles() -> None:
    text = GOOD + (
        "  a: {kind: security_group, vpc: network, ingress: [{port: 1, group: b}]}\n"
        "  b: {kind: security_group, vpc: network, ingress: [{port: 1, group: a}]}\n"
    )
    assert "a" in parse(text, "s.yaml", MODELS).resources


def test_outputs_are_handed_on_and_what_only_looks_like_one_can_be_said() -> None:
    environment = "{BUCKET: results.name, SITE: 'https://a.b', N: 3, ON: true, HOST: {text: example.com}, LEVEL: debug}"
    text = GOOD.replace("  train:", f"  say: {{kind: lambda.function, environment: {environment}}}\n  train:", 1)
    say = parse(text, "s.yaml", MODELS).resources["say"]
    assert [(target, mark.output, mark.edge) for _, target, mark in references(say)] == [("results", "name", True)]
    assert isinstance(say, Function)
    assert valued(say.environment, lambda name, output: f"<{output} of {name}>") == {
        "BUCKET": "<name of results>",
        "SITE": "https://a.b",
        "N": 3,
        "ON": True,
        "HOST": "example.com",
        "LEVEL": "debug",
    }


def test_plain_words_stay_words(tmp_path: Path) -> None:
    """YAML 1.1 would make these a date, a truth value and a number in base 60."""
    for word in ("2012-10-17", "on", "22:22", "0123"):
        text = GOOD.replace("{kind: s3.bucket}", f"{{kind: s3.bucket, name: {word}}}")
        assert parse(text, "s.yaml", MODELS).resources["results"].name == word


def test_a_kind_is_looked_up_only_when_it_is_used() -> None:
    class Lazy(dict):  # type: ignore[type-arg]
        asked: set[str] = set()  # noqa: RUF012

        def __getitem__(self, key: str) -> object:
            self.asked.add(key)
            return super().__getitem__(key)

    parse("stack: a\nresources: {data: {kind: s3.bucket}}\n", "s.yaml", kinds := Lazy(MODELS))
    assert kinds.asked == {"s3.bucket"}


def test_a_file_that_is_not_there_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "batch.yaml").write_text(GOOD)
    with pytest.raises(AwsrunError) as caught:
        load(tmp_path / "bacth.yaml", MODELS)
    assert "batch.yaml" in caught.value.why
    assert caught.value.hint == f"did you mean {tmp_path / 'batch.yaml'}?"
    with pytest.raises(AwsrunError, match="is a folder"):
        load(tmp_path, MODELS)
    (tmp_path / "job.py").write_text("import awsrun\n")
    with pytest.raises(AwsrunError, match="awsrun submit"):
        load(tmp_path / "job.py", MODELS)
    (tmp_path / "binary.yaml").write_bytes(b"stack: \xff\xfe")
    with pytest.raises(AwsrunError, match="not a text file"):
        load(tmp_path / "binary.yaml", MODELS)
    assert load(str(tmp_path / "batch.yaml"), MODELS).stack == "mnist"
