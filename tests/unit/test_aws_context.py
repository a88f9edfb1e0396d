"""Contexts: which cloud a command talks to."""

from pathlib import Path
from typing import Any

import pytest

from awsrun.aws import clients
from awsrun.aws.context import LOCAL, Context, current, use
from awsrun.aws.errors import AwsrunError
from awsrun.aws.names import physical


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AWSRUN_HOME", str(tmp_path))
    monkeypatch.delenv("AWSRUN_CONTEXT", raising=False)
    return tmp_path


def test_a_fresh_machine_talks_to_itself() -> None:
    assert current() == LOCAL


def test_what_use_stored_is_found_and_overridden() -> None:
    use(Context("aws", region="eu-west-1", profile="lab", account="111122223333"))
    assert current() == Context("aws", region="eu-west-1", profile="lab", account="111122223333")
    assert current("local") == LOCAL, "--context wins"
    assert current(env={"AWSRUN_CONTEXT": "local"}) == LOCAL, "the environment wins over the setting"
    use(LOCAL)
    assert current() == LOCAL
    assert current("aws").profile == "lab", "switching to local and back keeps the profile"


def test_a_boundary_is_stored_and_the_environment_goes_before_it() -> None:
    lab, ci = (f"arn:aws:iam::111122223333:policy/{name}" for name in ("lab", "team/ci"))
    use(Context("aws", region="eu-west-1", account="111122223333", boundary=lab))
    assert current().boundary == lab
    assert current(env={"AWSRUN_BOUNDARY": ci}).boundary == ci
    with pytest.raises(AwsrunError, match="managed policy, by its ARN"):
        current(env={"AWSRUN_BOUNDARY": "lab"})


def test_what_a_run_may_cost_without_a_yes_is_stored_nothing_too() -> None:
    for dollars in (50.0, 0.0, None):
        use(Context("aws", region="eu-west-1", account="111122223333", ask_over=dollars))
        assert current().ask_over == dollars


def test_an_unknown_context_is_refused_with_what_there_is() -> None:
    with pytest.raises(AwsrunError, match="local and aws"):
        current(env={"AWSRUN_CONTEXT": "prod"})


def test_a_broken_setting_says_which_file(home: Path) -> None:
    (home / "config").mkdir()
    (home / "config" / "context.json").write_text("{")
    with pytest.raises(AwsrunError, match=r"context\.json"):
        current()


def test_no_credentials_are_a_clear_refusal(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    with pytest.raises(AwsrunError, match="cannot use AWS with these credentials") as caught:
        clients.connect("aws")
    assert "awsrun use local" in caught.value.hint


def test_another_account_behind_the_same_profile_is_refused(local_cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", local_cloud.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    assert clients.connect(Context("aws", region="eu-west-1")).account == "123456789012"
    with pytest.raises(AwsrunError, match="belong to account 123456789012"):
        clients.connect(Context("aws", region="eu-west-1", account="999999999999"))


def test_a_role_is_assumed_once_for_many_commands(
    local_cloud: Any, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    """As with the ``aws`` command, which shares them: a second factor is asked for once an hour."""
    (home / "config.ini").write_text(
        "[profile user]\naws_access_key_id = test\naws_secret_access_key = test\n"
        "[profile lab]\nsource_profile = user\nrole_arn = arn:aws:iam::123456789012:role/lab\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": home, "AWS_CONFIG_FILE": home / "config.ini", "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("AWS_ENDPOINT_URL", local_cloud.endpoint)
    keys = {clients.connect(Context("aws", profile="lab")).core.get_credentials().access_key for _ in range(2)}
    assert len(keys) == 1 and list((home / ".aws" / "cli" / "cache").glob("*.json"))


@pytest.mark.parametrize("key", ["results", "network/public-0", "a" * 80])
def test_physical_names_fit_and_differ(key: str) -> None:
    name = physical("mnist", key, limit=40, suffix="abc123")
    assert len(name) <= 40 and name.endswith("-abc123") and "/" not in name
    assert physical("mnist", key + "x", limit=40, suffix="abc123") != name, "shortened names still differ"
