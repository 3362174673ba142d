"""`composer plugins check NAME`: hold an installed plugin to what it declares."""

from __future__ import annotations

import argparse

from composer.cli.options import add_format, add_threads, use_threads
from composer.cli.output import complain, print_json, say

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", metavar="NAME", help="an installed plugin, as `composer plugins list` shows it"
    )
    add_threads(parser)
    add_format(parser, ("text", "json"), "the report is")


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when a promise is broken, or the plugin is not there; 2 for what cannot be a plugin."""
    from composer.cli.plugins import as_document
    from composer.conformance import check_plugin

    foreign = as_document(args.name, "check")
    if foreign is not None:
        complain(foreign)
        return 2
    use_threads(args)
    report = check_plugin(args.name)
    if args.format == "json":
        print_json(report.as_dict())
    else:
        say(report)
    return int(not report.passed)
