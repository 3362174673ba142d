"""Train a document on its tasks together, by the recipe beside it; writes weights and a record with the scores."""

from __future__ import annotations

import argparse
import sys

from composer.cli.options import add_settings, settings_of

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("document", metavar="DOC", help="a document, or the name of one that a plugin ships")
    parser.add_argument("--out", metavar="FILE", help="where the weights go (default: DOC.safetensors here)")
    parser.add_argument("--recipe", metavar="FILE", help="default: training/DOC.yaml beside the document")
    parser.add_argument(
        "--task", dest="tasks", metavar="TASK", action="append", help="train this task only; may be repeated"
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="another number of epochs than the recipe's")
    parser.add_argument("--seed", type=int, metavar="N", help="another seed than the recipe's")
    parser.add_argument("--threads", type=int, metavar="N", help="processor threads")
    parser.add_argument("--resume", action="store_true", help="go on where a stopped run left its checkpoint")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from composer.training import train_document

    train_document(
        args.document,
        out=args.out or f"{Path(args.document).stem}.safetensors",
        recipe=args.recipe,
        tasks=args.tasks,
        epochs=args.epochs,
        seed=args.seed,
        threads=args.threads,
        resume=args.resume,
        settings=settings_of(args),
        command=" ".join(["composer", *sys.argv[1:]]),
    )
    return 0
