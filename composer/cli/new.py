"""Write a first document to start from: small, complete, and explained line by line."""

from __future__ import annotations

import argparse
from pathlib import Path

from composer.cli.output import say

__all__ = ["configure", "run"]

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
    write_file(path, TEMPLATE, {"NAME": path.stem})
    say(f"wrote {path}\nnext: composer check {path}\n      composer show {path}")
    return 0
