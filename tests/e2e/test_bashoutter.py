"""specs/bashoutter.yaml lives, strict and with exactly its policy; its API as `curl` sees it, its page in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from stack_shell import WITHOUT_AWS, Shell

from awsrun.aws.errors import matches
from tests.conftest import LocalCloud
from tests.contract.rest_bench import Answer, curl, fetch
from tests.documents import Page
from tests.typist import Typist

ROOT = Path(__file__).parents[2]
SPEC, LOAD = ROOT / "specs" / "bashoutter.yaml", ROOT / "apps" / "bashoutter" / "load.py"
OPTIONS = {"strict": True, "iam": True, "time_scale": 0.001}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
POEM = {"username": "Mio", "first": "first snow on the roof", "second": "the cat considers the door", "third": "no"}
ORIGIN = "access-control-allow-origin"


@dataclass
class Service:
    """A Bashoutter that runs; ``shell`` is its owner's, who may do what ``awsrun policy`` prints and nothing else."""

    cloud: LocalCloud
    shell: Shell
    outputs: dict[str, Any]

    @property
    def haiku(self) -> str:
        return f"{self.outputs['api']['url']}/haiku"

    def post(self, **poem: str) -> str:
        """The id of a new haiku."""
        answer = fetch(self.haiku, "POST", json.dumps({**POEM, **poem}).encode(), Content_Type="application/json")
        assert answer.status == 201, answer
        return str(answer.json["item_id"])

    def find(self, item_id: str) -> dict[str, Any] | None:
        return next((one for one in fetch(self.haiku).json if one["item_id"] == item_id), None)

    def load(self, *arguments: str) -> str:
        """What the load generator prints."""
        command = [sys.executable, str(LOAD), "--url", self.outputs["api"]["url"], *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=self.shell.env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("bashoutter")
    cloud = LocalCloud.at(folder / "home")
    cloud.start(**OPTIONS)
    shell = Shell(folder, WITHOUT_AWS | {"AWSRUN_HOME": str(cloud.home)})
    shell.env |= _keys(cloud, shell)
    outputs = shell.json("apply", str(SPEC), "--yes")["outputs"]
    assert not shell.json("apply", str(SPEC), "--yes")["applied"]
    yield Service(cloud, shell, outputs)
    kinds = ("buckets", "tables", "roles", "logs")
    if shell.listed(cloud.endpoint, *kinds):  # the test that ends as the tutorial does ran in another process
        shell.awsrun("teardown", "bashoutter", "--yes", "--purge")
    assert shell.listed(cloud.endpoint, *kinds) == {}
    cloud.stop()


def _keys(cloud: LocalCloud, shell: Shell) -> dict[str, str]:
    iam = cloud.client("iam")
    iam.create_user(UserName="someone")
    for number, document in enumerate(shell.json("policy", str(SPEC))["documents"]):
        made = iam.create_policy(PolicyName=f"bashoutter-{number}", PolicyDocument=json.dumps(document))
        iam.attach_user_policy(UserName="someone", PolicyArn=made["Policy"]["Arn"])
    key = iam.create_access_key(UserName="someone")["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def test_the_api_answers_as_it_says(service: Service) -> None:
    item = service.post()
    listed = service.find(item)
    assert listed == {**POEM, "item_id": item, "likes": 0, "created_at": listed and listed["created_at"]}
    for field in POEM:
        empty = fetch(service.haiku, "POST", json.dumps({**POEM, field: "  "}).encode())
        assert (empty.status, empty.json) == (400, {"description": f"Bad request. {field} is empty"})
    for body in (b"", b"{", b"[1]", json.dumps({**POEM, "first": 5}).encode()):
        assert fetch(service.haiku, "POST", body).status == 400
    assert (
        "longer than 100"
        in fetch(service.haiku, "POST", json.dumps({**POEM, "third": "x" * 101}).encode()).json["description"]
    )

    one = f"{service.haiku}/{item}"
    answers: dict[str, Answer] = {"like": fetch(one, "PATCH"), "lost": fetch(f"{service.haiku}/none", "PATCH")}
    assert (answers["like"].status, answers["lost"].status) == (200, 404)
    assert (service.find(item) or {})["likes"] == 1
    assert service.find("none") is None, "a like makes no haiku"
    answers |= {"delete": fetch(one, "DELETE"), "again": fetch(one, "DELETE"), "list": fetch(service.haiku)}
    assert [answers[name].status for name in ("delete", "again", "list")] == [204, 204, 200]
    assert service.find(item) is None
    answers |= {"bad": fetch(service.haiku, "POST", b"{"), "nowhere": fetch(f"{service.haiku}/a/b")}
    assert all(answer.headers.get(ORIGIN) == "*" for answer in answers.values()), answers

    for url, method in ((service.haiku, "POST"), (one, "PATCH"), (one, "DELETE")):
        asked = curl(
            "-i", "-X", "OPTIONS", url, "-H", "Origin: http://page", "-H", f"Access-Control-Request-Method: {method}"
        )
        head = asked.lower()
        assert re.match(r"http/1.1 20[04]", head) and f"{ORIGIN}: *" in head
        allowed = re.search(r"access-control-allow-methods: (\S+)", head)
        assert allowed and method.lower() in allowed[1].split(",")


def test_300_haiku_at_once_are_all_there_once_and_likes_add_up(service: Service) -> None:
    told = service.load("post", "300", "-c", "30", "--chart", str(service.shell.folder / "load.png"))
    assert "300 of 300 taken" in told and "checked: 0 lost, 0 doubled" in told and "p95" in told
    assert (service.shell.folder / "load.png").read_bytes().startswith(b"\x89PNG")

    item = service.post()
    with ThreadPoolExecutor(50) as clients:
        counts = list(clients.map(lambda _: fetch(f"{service.haiku}/{item}", "PATCH").json["likes"], range(100)))
    assert sorted(counts) == list(range(1, 101)), "each like is counted once"
    assert (service.find(item) or {})["likes"] == 100
    assert "301 deleted" in service.load("clear") and fetch(service.haiku).json == []


def test_the_list_reads_all_pages(service: Service) -> None:
    """A scan reads 1 MB at most."""
    table = boto3.resource(
        "dynamodb", endpoint_url=service.cloud.endpoint, region_name="us-east-1",
        aws_access_key_id="local", aws_secret_access_key="local",
    ).Table(service.outputs["haiku"]["name"])  # fmt: skip
    with table.batch_writer() as batch:
        for number in range(120):
            at = {"created_at": f"2026-01-01T00:00:00.{number:03}+00:00", "likes": 0}
            batch.put_item(Item={**POEM, **at, "item_id": str(number), "third": "x" * 30_000})
    assert "LastEvaluatedKey" in table.scan(), "it takes more than one page"
    listed = [one["item_id"] for one in fetch(service.haiku).json]
    assert listed == [str(number) for number in reversed(range(120))], "the newest first"
    assert "120 deleted" in service.load("clear")


def test_the_function_that_lists_cannot_write(service: Service) -> None:
    function = service.cloud.client("lambda").get_function(FunctionName=service.outputs["list"]["name"])
    made = service.cloud.client("sts").assume_role(
        RoleArn=function["Configuration"]["Role"], RoleSessionName="somebody"
    )["Credentials"]
    dynamodb = boto3.client(
        "dynamodb", endpoint_url=service.cloud.endpoint, region_name="us-east-1",
        aws_access_key_id=made["AccessKeyId"], aws_secret_access_key=made["SecretAccessKey"],
        aws_session_token=made["SessionToken"],
    )  # fmt: skip
    name, key = service.outputs["haiku"]["name"], {"item_id": {"S": "a"}}
    assert dynamodb.scan(TableName=name)["Count"] >= 0
    for attempt in (
        lambda: dynamodb.put_item(TableName=name, Item=key),
        lambda: dynamodb.update_item(TableName=name, Key=key, UpdateExpression="ADD likes :n",
                                     ExpressionAttributeValues={":n": {"N": "1"}}),
        lambda: dynamodb.delete_item(TableName=name, Key=key),
    ):  # fmt: skip
        with pytest.raises(ClientError) as caught:
            attempt()
        assert matches(caught.value, ("AccessDeniedException",)), caught.value


def test_what_is_in_the_folder_is_what_is_shown_and_what_others_put_there_stays(service: Service) -> None:
    shell, s3 = service.shell, service.cloud.client("s3")
    bucket, url = service.outputs["page"]["name"], service.outputs["page"]["url"]
    assert fetch(f"{url}config.json").json == {"api": service.outputs["api"]["url"]}
    assert fetch(f"{url}app.js").headers["content-type"] == "text/javascript; charset=utf-8"
    assert fetch(f"{url}nowhere").status == 404 and fetch(f"{url}.awsrun-site.json").status == 403

    shutil.copytree(ROOT / "apps", shell.folder / "apps", dirs_exist_ok=True)
    (shell.folder / "specs").mkdir(exist_ok=True)
    spec = str(shutil.copy(SPEC, shell.folder / "specs"))
    assert "no change" in shell.awsrun("plan", spec).stdout, "where the folder is makes no difference"
    page = shell.folder / "apps" / "bashoutter" / "page"
    (page / "sun.svg").rename(page / "moon.svg")
    (page / ".notes").write_text("not for the public")
    s3.put_object(Bucket=bucket, Key="theirs.txt", Body=b"x")
    planned = shell.awsrun("plan", spec, code=2).stdout
    assert re.search(r"files: 1 to upload \(\d+ bytes\), 1 to delete\n", planned), planned
    shell.awsrun("apply", spec, "--yes")
    assert [fetch(url + name).status for name in ("moon.svg", "sun.svg", ".notes", "theirs.txt")] == [
        200,
        404,
        404,
        200,
    ]

    refused = shell.json("teardown", "bashoutter", "--yes", code=1)
    assert [one["name"] for one in refused["kept"]] == ["page"], "it holds what awsrun did not put there"
    assert fetch(f"{url}theirs.txt").status == 200 and fetch(url).status == 200
    s3.delete_object(Bucket=bucket, Key="theirs.txt")
    service.outputs = shell.json("apply", str(SPEC), "--yes")["outputs"]
    assert fetch(f"{url}sun.svg").status == 200


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
def test_the_page_in_a_browser(service: Service) -> None:
    from playwright.sync_api import expect, sync_playwright

    def compose(page: Page, **poem: str) -> None:
        for field, text in {**POEM, **poem}.items():
            page.get_by_label({"username": "Your name"}.get(field, f"{field.capitalize()} line")).fill(text)
        page.get_by_role("button", name="Post").press("Enter")

    service.load("clear")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.goto(service.outputs["page"]["url"])
        poems = page.locator(".poem")
        expect(page.get_by_text("An empty page")).to_be_visible()
        expect(page.locator("#endpoint")).to_have_text(service.outputs["api"]["url"])

        compose(page, third=" ")
        expect(page.get_by_role("alert")).to_have_text("Third line is still empty.")
        expect(page.get_by_label("Third line")).to_be_focused()
        compose(page)
        expect(page.get_by_role("status")).to_have_text("Your haiku is on the wall.")
        expect(poems).to_have_count(1)
        compose(
            page, username="<script>document.title='run'</script>", first="<img src=x onerror=document.title='run'>"
        )
        expect(poems).to_have_count(2)
        expect(poems.first.locator("cite")).to_have_text("<script>document.title='run'</script>")
        expect(poems.first.locator(".line").first).to_have_text("<img src=x onerror=document.title='run'>")
        assert page.locator(".poem script, .poem img").count() == 0 and page.title().startswith("Bashoutter")

        like = poems.last.get_by_role("button", name=re.compile("Like"))
        like.click()
        like.click()
        expect(like.locator(".likes")).to_have_text("2")
        page.get_by_role("button", name="Refresh").click()
        expect(page.get_by_role("status")).to_have_text("Up to date.")
        expect(poems.last.locator(".likes")).to_have_text("2")
        service.post(first="from somewhere else")
        page.get_by_role("button", name="Refresh").click()
        expect(poems.first.locator(".line").first).to_have_text("from somewhere else")

        page.route("**/haiku/*", lambda route: route.abort())
        like.click()
        expect(page.get_by_role("status")).to_contain_text("That like was not counted")
        expect(like.locator(".likes")).to_have_text("2")
        page.unroute("**/haiku/*")
        wrong.clear()  # of the request that did not get through

        poems.first.get_by_role("button", name="Delete").click()
        page.keyboard.press("Escape")
        expect(poems).to_have_count(3)
        poems.first.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(poems).to_have_count(2)
        assert len(fetch(service.haiku).json) == 2 and wrong == []

        phone = browser.new_context(viewport={"width": 320, "height": 640}, has_touch=True).new_page()
        phone.goto(service.outputs["page"]["url"])
        expect(phone.locator(".poem")).to_have_count(2)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 320, "it scrolls sideways"
        small = "[...document.querySelectorAll('button')].filter(b => b.offsetHeight && b.offsetHeight < 44).length"
        assert phone.evaluate(small) == 0, "too small for a finger"

        phone.route("**/haiku", lambda route: route.abort())
        phone.get_by_role("button", name="Refresh").click()
        expect(phone.get_by_text("could not be loaded")).to_be_visible()
        phone.unroute("**/haiku")
        phone.get_by_role("button", name="Try again").click()
        expect(phone.locator(".poem")).to_have_count(2)
        browser.close()


def test_what_the_tutorial_shows_is_what_comes(service: Service) -> None:
    """To its end, which takes the stack away."""
    service.load("clear")
    folder = service.shell.folder / "reader"
    folder.mkdir()
    Typist(folder, service.shell.env).type(Page("docs/bashoutter.md").blocks)
