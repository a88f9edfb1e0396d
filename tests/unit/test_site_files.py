"""What of a folder goes to a website, how it is sent, and what a change of it takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from awsrun.aws.errors import AwsrunError
from awsrun.resources.kind import UNKNOWN
from awsrun.resources.registry import kind
from awsrun.resources.site_address import address
from awsrun.resources.site_files import Files


def site(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        path = tmp_path / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_hidden_files_stay_at_home_and_each_has_its_type(tmp_path: Path) -> None:
    folder = site(tmp_path, index_html="a", a__main_js="b", a__x_woff2="c", strange="d", _env="PASSWORD=1")
    site(folder, _git__config="e", **{"_well-known__security_txt": "f"})
    (folder / "loop").symlink_to(folder)
    found = Files.of(folder, 60, {"config.json": b"{}"})
    assert {key: (one.type, one.cache) for key, one in found.files.items()} == {
        ".well-known/security.txt": ("text/plain; charset=utf-8", "public, max-age=60"),
        "a/main.js": ("text/javascript; charset=utf-8", "public, max-age=60"),
        "a/x.woff2": ("font/woff2", "public, max-age=60"),
        "config.json": ("application/json", "no-cache"),
        "index.html": ("text/html; charset=utf-8", "no-cache"),
        "strange": ("application/octet-stream", "public, max-age=60"),
    }


def test_a_plan_says_how_many_files_change(tmp_path: Path) -> None:
    folder = site(tmp_path, index_html="a" * 1500, style_css="b", old_css="c")
    before = Files.of(folder, 0, {})
    assert before.against(None) == "3 to upload (2 KB)"
    (folder / "old.css").unlink()
    (folder / "style.css").write_text("changed")
    after = Files.of(folder, 0, {"config.json": UNKNOWN})
    assert after.against(before) == "2 to upload (7 bytes), 1 to delete"
    assert after != before
    assert Files.of(folder, 0, {}) == Files(dict(Files.of(folder, 0, {})))
    assert Files.of(folder, 9, {}).uploads(Files.of(folder, 0, {})) == ["style.css"], (
        "its headers change, a page's do not"
    )


def test_pages_come_after_what_they_need_and_the_first_page_last(tmp_path: Path) -> None:
    folder = site(tmp_path, index_html="a", about__index_html="b", z_css="c")
    assert Files.of(folder, 0, {}).uploads({}) == ["z.css", "about/index.html", "index.html"]


def test_a_file_that_changed_since_it_was_looked_at_is_not_sent(tmp_path: Path) -> None:
    folder = site(tmp_path, index_html="a")
    found = Files.of(folder, 0, {})
    (folder / "index.html").write_text("b")
    with pytest.raises(AwsrunError, match="changed while it was being uploaded"):
        found.files["index.html"].read()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"folder": "nowhere"}, "there is no folder"),
        ({"index": "home.html"}, "there is no home.html in"),
        ({"error": "lost.html"}, "say which page it is with error"),
        ({"config": {"a": "b"}}, "has a config.json already"),
    ],
)
def test_what_cannot_be_a_website_is_refused(tmp_path: Path, fields: dict[str, Any], says: str) -> None:
    site(tmp_path, index_html="a", config_json="{}")
    with pytest.raises(ValidationError, match=re.escape(says)):
        kind("s3.site").Spec.model_validate({"kind": "s3.site", "folder": str(tmp_path), **fields})


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "page.s3-website-us-east-1.amazonaws.com"),
        ("eu-west-1", "page.s3-website-eu-west-1.amazonaws.com"),
        ("us-east-2", "page.s3-website.us-east-2.amazonaws.com"),
        ("eu-central-1", "page.s3-website.eu-central-1.amazonaws.com"),
        ("cn-north-1", "page.s3-website.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_where_a_website_is(region: str, host: str) -> None:
    """https://docs.aws.amazon.com/general/latest/gr/s3.html#s3_website_region_endpoints"""
    assert address("page", region) == f"http://{host}/"
    assert address("page", region, "http://127.0.0.1:1") == "http://127.0.0.1:1/page/"
