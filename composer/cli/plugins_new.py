"""`composer plugins new NAME`: a plugin to start from, complete enough to install, check and test."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from composer.cli.output import say

__all__ = ["configure", "run"]

TEMPLATES = Path(__file__).parent / "templates" / "plugin"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="lower-case letters, digits and `-`, such as `audio`")
    parser.add_argument(
        "--into", metavar="DIR", type=Path, default=Path(), help="folder that receives the plugin's"
    )


def run(args: argparse.Namespace) -> int:
    """Write a folder `composer-NAME`; nothing is written where one is already."""
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    from composer.cli.scaffold import write_folder
    from composer.problems import InputError

    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", args.name):
        raise InputError(
            f"{args.name!r} is not a plugin name: write lower-case letters, digits and `-`, such as `audio`"
        )
    package = f"composer_{args.name.replace('-', '_')}"
    if find_spec(package) is not None or args.name in entry_points(group="composer").names:
        raise InputError(f"a plugin {args.name!r} is installed already; choose another name")
    folder = args.into / f"composer-{args.name}"
    words = {"NAME": args.name, "PACKAGE": package}
    written = write_folder(folder, TEMPLATES, words)
    say("\n".join(f"wrote {path}" for path in written))
    say(f"\nnext: pip install -e {folder}\n      composer plugins show {args.name}.gate")
    say(f"      composer plugins check {args.name}\n      pytest {folder}")
    return 0
