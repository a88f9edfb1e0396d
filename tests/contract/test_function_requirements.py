"""A function whose requirements are installed first: made at once, given its code later, and known by a tag."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest

from awsrun.aws.clients import Cloud
from awsrun.aws.context import LOCAL
from awsrun.resources.kind import diff
from tests.conftest import LocalCloud
from tests.contract.kinds_bench import Bench
from tests.contract.kinds_samples import EMPTY_ZIP, spec
from tests.contract.strict_bench import unique, until
from tests.wheels import wheel


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Code that needs a distribution of its own, which pip finds without a network."""
    monkeypatch.setenv("AWSRUN_HOME", str(tmp_path / "home"))
    code = tmp_path / "code"
    code.mkdir()
    (code / "index.py").write_text("import greet\ndef handler(event, context): return greet.SAYS\n")
    (code / "requirements.txt").write_text(wheel(tmp_path, "hello"))
    return code


def test_a_function_with_requirements(local_cloud: LocalCloud, folder: Path) -> None:
    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=LOCAL.region)
    bench = Bench(
        Cloud(session, LOCAL, local_cloud.endpoint), unique("f"), {"up": spec("lambda.function", folder=str(folder))}
    )
    bench.make_before("up")
    kind, functions = bench.kind(bench.nodes["up"]), local_cloud.client("lambda")
    id = bench.create("up")
    assert kind.read(id).phase == "pending" and "pip" in kind.read(id).why

    def settled(kind: Any) -> bool:
        """The engine's part: look, and send what differs."""
        seen, wanted = kind.read(id), bench.wanted("up")
        changes = diff(wanted, seen.state) if seen.phase == "ready" else ()
        if changes:
            kind.update(id, wanted, seen.state, changes)
        return seen.phase == "ready" and not changes

    until(lambda: settled(kind))
    assert functions.invoke(FunctionName=id)["Payload"].read() == b'"hello"'
    another = type(kind)(kind.cloud)  # which built nothing
    assert diff(bench.wanted("up"), another.read(id).state) == ()

    functions.update_function_code(FunctionName=id, ZipFile=EMPTY_ZIP)
    assert [change.field for change in diff(bench.wanted("up"), another.read(id).state)] == ["package"]
    assert not settled(another) and settled(another), "its package is on disk: one step"
    assert functions.invoke(FunctionName=id)["Payload"].read() == b'"hello"'

    (folder / "requirements.txt").write_text("--no-index\nnot-there\n")
    assert not settled(another)
    until(lambda: not another._builds[id].under_way)
    with pytest.raises(Exception, match="not-there"):
        another.read(id)
