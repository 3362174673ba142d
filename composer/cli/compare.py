"""Compare a model with recorded tensors of another implementation; exit code 1 when one lies beyond its tolerance."""

from __future__ import annotations

import argparse
from pathlib import Path

from composer.cli.options import (
    add_device,
    add_dtype,
    add_format,
    add_locked,
    add_seed,
    add_threads,
    use_threads,
)
from composer.cli.output import say, write_machine

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "case", metavar="CASE", type=Path, help="the YAML file that says what is compared with what"
    )
    parser.add_argument(
        "--data", metavar="DIR", type=Path, help="take the recorded tensors from this folder instead"
    )
    add_device(parser)
    add_dtype(parser)
    add_threads(parser)
    add_seed(parser, "what a search that draws its tokens draws them from")
    add_format(parser, ("text", "json"), "the table is")
    add_locked(parser)


def run(args: argparse.Namespace) -> int:
    from composer.compare import compare_case

    use_threads(args)
    comparison = compare_case(
        args.case, args.data, device=args.device, dtype=args.dtype, seed=args.seed or 0, locked=args.locked
    )
    if args.format == "json":
        write_machine(comparison.to_json() + "\n")
    else:
        say(comparison)
    return 0 if comparison.ok else 1
