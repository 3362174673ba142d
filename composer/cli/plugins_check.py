"""`composer plugins check NAME`: hold an installed plugin to what it declares."""

from __future__ import annotations

import argparse
import json

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", metavar="NAME", help="an installed plugin, as `composer plugins list` shows it"
    )
    parser.add_argument(
        "--format", choices=["text", "json"], default="text", help="how the report is printed"
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when a promise is broken."""
    from composer.plugin.conformance import check_plugin

    report = check_plugin(args.name)
    print(json.dumps(report.as_dict(), indent=2) if args.format == "json" else report)
    return int(not report.passed)
