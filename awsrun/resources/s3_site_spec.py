"""What a user writes of a website: which folder is shown, and what its page is told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from awsrun.resources.s3 import BucketName
from awsrun.resources.units import Duration
from awsrun.spec.paths import FolderPath
from awsrun.spec.references import ResourceSpec, Value

CONFIG = "config.json"


class SiteSpec(ResourceSpec):
    """A public website of a folder's files, over HTTP alone: S3's websites know no HTTPS."""

    outputs = ("arn", "name", "url")
    example = """
    page: {kind: s3.site, folder: page}
    """
    kind: Literal["s3.site"] = "s3.site"
    name: BucketName = None
    folder: FolderPath = Field(
        description="What is shown, all of it but hidden files. Relative to the spec. Everybody can read it."
    )
    index: str = Field(
        default="index.html",
        pattern=r"^[^/]+$",
        description="The page of a folder: what / and /FOLDER/ show.",
    )
    error: str | None = Field(
        default=None, pattern=r"^[^/].*$", description="The page that is shown instead of one that is not there."
    )
    config: dict[str, Value] = Field(
        default={},
        description=f"What the page is told, in a file {CONFIG} beside the first page: text and numbers, and outputs "
        "of other resources (api: api.url). No secrets: everybody can read it.",
    )
    cache: Duration = Field(
        default=0,
        description="How long browsers may keep files without asking whether they are still the same (1h); pages and "
        f"{CONFIG} are always asked for.",
    )
    purge: bool = Field(default=False, description="What others put into the bucket may be deleted with it.")

    @model_validator(mode="after")
    def _pages(self) -> SiteSpec:
        for field, page in (("index", self.index), ("error", self.error)):
            if page and not (Path(self.folder) / page).is_file():
                raise ValueError(f"there is no {page} in {self.folder}: say which page it is with {field}")
        if self.config and (Path(self.folder) / CONFIG).exists():
            raise ValueError(f"{self.folder} has a {CONFIG} already: take it away, or leave out config")
        return self
