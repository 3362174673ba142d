"""Compare a model with recorded tensors of another implementation; exit code 1 when one lies beyond its tolerance."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "case", metavar="CASE", type=Path, help="the YAML file that says what is compared with what"
    )
    parser.add_argument(
        "--data", metavar="DIR", type=Path, help="take the recorded tensors from this folder instead"
    )
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="how the table is written (default: text)"
    )


def run(args: argparse.Namespace) -> int:
    from composer.runtime.compare import compare_case

    comparison = compare_case(args.case, args.data)
    print(comparison.to_json() if args.format == "json" else comparison)
    return 0 if comparison.ok else 1
