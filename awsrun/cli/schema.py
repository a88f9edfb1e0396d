"""``awsrun schema``: the JSON schema of specs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from awsrun.cli.output import say


@click.command()
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file.")
def schema(output: Path | None) -> None:
    """Print the JSON schema of specs, for completion and checks in editors.

    \b
      awsrun schema -o awsrun.schema.json

    and as the first line of a spec (the YAML extensions of VS Code, Neovim and others read it):

    \b
      # yaml-language-server: $schema=../awsrun.schema.json
    """
    from awsrun.resources.models import SpecModels
    from awsrun.spec.json_schema import json_schema

    text = json.dumps(json_schema(SpecModels()), indent=2, ensure_ascii=False)
    if output is None:
        click.echo(text)
    else:
        output.write_text(text + "\n", encoding="utf-8")
        say(f"wrote {output}")
