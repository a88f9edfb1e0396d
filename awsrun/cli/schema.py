"""``awsrun schema``: the JSON schema of specs, and the reference of all kinds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from awsrun.cli.output import say


@click.command()
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file.")
@click.option(
    "--docs",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a page for each kind into this folder instead.",
)
@click.option("--experiment", is_flag=True, help="Of experiments, which `awsrun submit` takes, instead of specs.")
def schema(output: Path | None, docs: Path | None, experiment: bool) -> None:
    """Print the JSON schema of specs, for completion and checks in editors.

    \b
      awsrun schema -o awsrun.schema.json
      awsrun schema --experiment -o experiment.schema.json
      awsrun schema --docs docs/kinds            # the same for people, in Markdown

    and as the first line of a spec (the YAML extensions of VS Code, Neovim and others read it):

    \b
      # yaml-language-server: $schema=../awsrun.schema.json
    """
    if docs is not None:
        _write_pages(docs)
        return
    text = json.dumps(_of_experiments() if experiment else _of_specs(), indent=2, ensure_ascii=False)
    if output is None:
        click.echo(text)
    else:
        output.write_text(text + "\n", encoding="utf-8")
        say(f"wrote {output}")


def _of_specs() -> dict[str, Any]:
    from awsrun.resources.models import SpecModels
    from awsrun.spec.json_schema import json_schema

    return json_schema(SpecModels())


def _of_experiments() -> dict[str, Any]:
    from awsrun.jobs.submit.experiment_file import schema

    return schema()


def _write_pages(folder: Path) -> None:
    from awsrun.reconcile import reference
    from awsrun.resources.models import SpecModels
    from awsrun.spec.pages import pages

    folder.mkdir(parents=True, exist_ok=True)
    written = pages(SpecModels(), reference.about(), reference.source())
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
    say(f"wrote {len(written)} pages into {folder}")
