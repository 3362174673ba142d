"""Train a document by its recipe, all tasks together, and write weights, a record of the run, and scores.

composer train quickstart --out my-weights
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from composer.cli.options import add_settings, settings_of

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("document", metavar="DOC", help="a document, or the name of one that a plugin ships")
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=_file,
        help="writes FILE.safetensors, FILE.json and FILE.checkpoint (default: the document's name, here)",
    )
    parser.add_argument(
        "--recipe",
        metavar="FILE",
        type=Path,
        help="the training recipe (default: training/NAME.yaml beside the document)",
    )
    parser.add_argument(
        "--task", dest="tasks", metavar="TASK", action="append", help="train this task only; may be repeated"
    )
    parser.add_argument("--epochs", type=_positive, help="passes over the data, in place of the recipe's")
    parser.add_argument("--seed", type=int, help="random seed, in place of the recipe's")
    parser.add_argument("--threads", type=_positive, help="threads, in place of the recipe's")
    parser.add_argument(
        "--resume", action="store_true", help="go on from FILE.checkpoint as if nothing had happened"
    )
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    from composer.training import train_document

    train_document(
        args.document,
        out=args.out or Path(args.document).stem or "model",
        recipe=args.recipe,
        tasks=args.tasks,
        epochs=args.epochs,
        seed=args.seed,
        threads=args.threads,
        resume=args.resume,
        settings=settings_of(args),
        command=shlex.join(["composer", *sys.argv[1:]]),
    )
    return 0


def _file(text: str) -> Path:
    if not Path(text).name:
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a file")
    return Path(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above zero")
    return int(text)
