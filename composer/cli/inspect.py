"""Print what a compiled artifact holds (tasks, ranges, programs, parity), or a file of weights. Needs no torch.

composer inspect dist/quickstart
composer inspect runs/qa.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

from composer.cli.options import add_json
from composer.cli.output import print_json, say

__all__ = ["configure", "run"]

HEAD = 9
"""Bytes that tell a safetensors file: the length of its header, and the brace that opens it."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "artifact",
        metavar="ARTIFACT",
        help="a directory or zip that `composer compile` wrote, or a safetensors file (adapters: what they belong to)",
    )
    add_json(parser, "the whole manifest")
    parser.add_argument(
        "--no-verify", dest="verify", action="store_false", help="do not hash the files of the artifact"
    )


def run(args: argparse.Namespace) -> int:
    path = Path(args.artifact)
    if _is_weights(path):
        return _weights(path, as_json=args.json)
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


def _is_weights(path: Path) -> bool:
    from composer.sources.safetensors_header import looks_like_safetensors

    try:
        with path.open("rb") as file:
            return looks_like_safetensors(file.read(HEAD))
    except OSError:  # a folder, or what opening it as an artifact tells
        return False


def _weights(path: Path, *, as_json: bool) -> int:
    from composer.views.weights_summary import weights_lines, weights_summary

    summary = weights_summary(path)
    if as_json:
        print_json(summary, indent=1)
    else:
        say("\n".join(weights_lines(summary)))
    return 0
