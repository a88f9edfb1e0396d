"""``python -m awsrun.local start|stop|status|reset|serve``: what ``awsrun local`` does, without click."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from awsrun.aws.errors import AwsrunError
from awsrun.local import control, options


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = _parser().parse_args(argv)
    data = arguments.data or control.folder()
    try:
        if arguments.command == "serve":
            from awsrun.local.server import serve

            return serve(data, arguments.port, options.parse(arguments.options))
        if arguments.command == "start":
            found = control.start(data, arguments.port, json.loads(arguments.options))
        else:
            found = {"stop": control.stop, "status": control.status, "reset": control.reset}[arguments.command](data)
    except AwsrunError as error:
        print(error, file=sys.stderr)
        return 1
    if getattr(arguments, "json", False):
        print(json.dumps(asdict(found)))
    else:
        print(f"running at {found.endpoint} (process {found.pid})" if found.running else "not running")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m awsrun.local", description="the embedded cloud")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("serve", "start", "stop", "status", "reset"):
        command = commands.add_parser(name)
        command.add_argument("--data", type=Path, help="data folder (default: this user's)")
        if name in ("serve", "start"):
            command.add_argument("--port", type=int, help="to listen on (default: the last one if free, else any)")
            command.add_argument("--options", default="{}", help="as JSON; start keeps those that are not named")
        if name == "status":
            command.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
