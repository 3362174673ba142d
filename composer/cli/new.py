"""Write a first document to start from: small, complete, and explained line by line."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from pathlib import Path

from composer.cli.output import say

__all__ = ["configure", "run"]

_OTHER_VALUES = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
TEMPLATE = Path(__file__).parent / "templates" / "document.yaml.template"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path",
        metavar="FILE",
        nargs="?",
        type=Path,
        default=Path("model.yaml"),
        help="where it goes (default: model.yaml)",
    )


def run(args: argparse.Namespace) -> int:
    from composer.cli.scaffold import write_file
    from composer.problems import InputError

    path: Path = args.path
    if path.suffix not in {".yaml", ".yml"}:
        raise InputError(f"{path} is no name for a document: end it with .yaml")
    written = shlex.quote(str(path))
    write_file(path, TEMPLATE, {"NAME": _yaml(path.stem), "FILE": shlex.quote(path.name)})
    say(f"wrote {path}\nnext: composer check {written}\n      composer show {written}")
    return 0


def _yaml(name: str) -> str:
    """The name as YAML reads it: quoted where it would be another value or another text."""
    plain = re.fullmatch(r"[A-Za-z][\w-]*", name, re.ASCII) and name.lower() not in _OTHER_VALUES
    return name if plain else json.dumps(name, ensure_ascii=False)
