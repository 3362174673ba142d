"""`composer plugins check NAME`: hold an installed plugin to what it declares."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from composer.cli.options import add_format, add_threads, use_threads
from composer.cli.output import complain, print_json, say

if TYPE_CHECKING:
    from composer.conformance import Result

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", metavar="NAME", help="an installed plugin, as `composer plugins list` shows it"
    )
    parser.add_argument(
        "only", metavar="ID", nargs="*", help="hold these of its entries alone, such as `core.beam`"
    )
    add_threads(parser)
    add_format(parser, ("text", "json"), "the report is")


class _Display:
    """How many promises were held so far, and of what: what there are in all is known when they are held."""

    def __init__(self) -> None:
        from composer.progress import Progress

        self._progress = Progress()
        self._progress.begin("promise", None, 0)
        self._count = 0
        self.close = self._progress.close

    def told(self, result: Result) -> None:
        self._count += 1
        if (bar := self._progress.bar) is not None:
            bar.set_postfix_str(result.subject, refresh=False)
        self._progress.reach(
            self._count, lambda: f"{self._count:,} promises held, now those of {result.subject}"
        )


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when a promise is broken, or the plugin is not there."""
    from composer.cli.plugins import as_document
    from composer.conformance import check_plugin

    foreign = as_document(args.name, "check")
    if foreign is not None:
        complain(foreign)
        return 1
    use_threads(args)
    display = _Display()
    try:
        report = check_plugin(args.name, only=args.only, told=display.told)
    finally:
        display.close()
    if args.format == "json":
        print_json(report.as_dict())
    else:
        say(report)
    return int(not report.passed)
