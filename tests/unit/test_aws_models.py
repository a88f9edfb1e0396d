"""botocore's models as awsrun reads them: the same operations and shapes, from whatever is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.loaders import create_loader

from awsrun.aws.clients import Session


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AWSRUN_HOME", str(tmp_path))
    return tmp_path


def shapes(client: Any) -> dict[str, Any]:
    """All that a client knows of its service, as far as calls depend on it."""
    model = client.meta.service_model
    operations = {name: model.operation_model(name) for name in model.operation_names}
    return {
        "metadata": dict(model.metadata),
        "parameters": [(one.name, one.type) for one in model.client_context_parameters],
        "operations": {name: (one.http, one.documentation) for name, one in operations.items()},
        "inputs": {name: str(one.input_shape and dict(one.input_shape.members)) for name, one in operations.items()},
        "outputs": {name: str(one.output_shape and dict(one.output_shape.members)) for name, one in operations.items()},
    }


@pytest.mark.parametrize("service", ["apigateway", "ec2", "s3"])
def test_a_service_is_the_same_but_for_its_documentation(home: Path, service: str) -> None:
    session = botocore.session.Session()
    session.register_component("data_loader", create_loader())  # clients write into the models that tests share
    plain = session.create_client(service, region_name="us-east-1")
    wanted = shapes(plain)
    wanted["operations"] = {name: (http, "") for name, (http, _) in wanted["operations"].items()}
    for _ in range(2):  # read, then read from what was kept
        assert shapes(Session(region="us-east-1").client(service, region_name=None)) == wanted
    assert [file.name.partition("-")[0] for file in home.glob("cache/models/*/*.json")] == [service]


def test_what_was_kept_is_no_condition(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def client() -> Any:
        return Session(region="us-east-1").client("sts", region_name=None)

    client()
    (kept,) = home.glob("cache/models/*/sts-*.json")
    kept.write_text(kept.read_text()[:1000])
    assert client().meta.service_model.operation_model("GetCallerIdentity")
    assert len(kept.read_text()) > 1000, "what was cut off is made again"
    (home / "file").touch()
    monkeypatch.setenv("AWSRUN_HOME", str(home / "file"))
    assert client().meta.service_model.operation_model("GetCallerIdentity"), "where nothing can be written"
    other = kept.parent.with_name("0.1")
    kept.parent.rename(other)
    monkeypatch.setenv("AWSRUN_HOME", str(home))
    client()
    assert kept.exists() and not other.exists(), "another botocore's are not heaped up"


def test_a_model_of_the_users_own_comes_first(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "own" / "sts" / "2099-01-01"
    folder.mkdir(parents=True)
    metadata = '{"apiVersion":"2099-01-01","endpointPrefix":"sts","protocol":"query","serviceId":"STS"}'
    operations = '{"Mine":{"name":"Mine","http":{"method":"POST","requestUri":"/"}}}'
    text = f'{{"version":"2.0","metadata":{metadata},"operations":{operations},"shapes":{{}}}}'
    (folder / "service-2.json").write_text(text)
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path / "own"))
    assert Session(region="us-east-1").client("sts", region_name=None).meta.service_model.operation_names == ["Mine"]
