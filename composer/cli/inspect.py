"""Print what a compiled artifact holds: tasks, ranges, programs, shared weights and its parity. Needs no torch.

composer inspect dist/quickstart
"""

from __future__ import annotations

import argparse

from composer.cli.options import add_json
from composer.cli.output import print_json, say

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "artifact", metavar="ARTIFACT", help="a directory or zip that `composer compile` wrote"
    )
    add_json(parser, "the whole manifest")
    parser.add_argument(
        "--no-verify", dest="verify", action="store_false", help="do not hash the files of the artifact"
    )


def run(args: argparse.Namespace) -> int:
    from composer_compile.artifact.container import open_container
    from composer_compile.artifact.summary import as_json, summary_lines

    container = open_container(args.artifact)
    if args.verify:
        container.verify()
    if args.json:
        print_json(as_json(container), indent=1)
    else:
        say("\n".join(summary_lines(container)))
    return 0
