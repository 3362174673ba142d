"""Train a document by its recipe, all tasks together, and write weights, a record of the run, and scores.

composer train quickstart --out my-weights
composer train quickstart --out my-weights --resume --epochs 40
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from composer.cli.options import (
    DTYPES,
    add_device,
    add_dtype,
    add_seed,
    add_settings,
    add_threads,
    add_weights,
    positive,
    report_loading,
    settings_of,
    weights_of,
    whole_misfit,
)
from composer.cli.output import complain, remark, say
from composer.cli.signals import Ended

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
    parser.add_argument(
        "--epochs",
        type=positive,
        help="passes over the data, in place of the recipe's; with --resume, those of all",
    )
    add_seed(parser, "random seed, in place of the recipe's")
    add_threads(parser, "the recipe's, or 1: on a busy machine more can be far slower")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from FILE.checkpoint as if nothing had happened; with more --epochs, extend a finished run",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="stop before the first step: the recipe, the data and a few samples of each task are tried, "
        "and nothing is written",
    )
    add_device(parser, "it trains")
    parser.add_argument(
        "--precision",
        metavar="P",
        help="fp32, or bf16: the forward pass in bfloat16, weights and optimizer in float32 (default: fp32)",
    )
    add_dtype(parser, "the forward pass: --precision by torch's names")
    add_weights(parser, default="initial weights")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    if args.dtype is not None and args.precision is not None:
        complain("--dtype and --precision say the same: give one of them")
        return 2
    # Threads of torch that wait must sleep: awake, each takes a core from those that work, and two threads on a busy
    # machine were 5 times slower than one. Read once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    out = args.out or Path(args.document).stem or "model"
    if args.check:
        return _check(args, out)
    from composer.training import train_document

    try:
        with whole_misfit(args):
            train_document(
                args.document,
                out=out,
                resume=args.resume,
                loaded=lambda loading: report_loading(args, loading),
                command=shlex.join(["composer", *sys.argv[1:]]),
                **_chosen(args),
            )
    except (KeyboardInterrupt, Ended):
        from composer.training.places import Places

        if Places.of(out).checkpoint.is_file():
            remark("the last finished epoch is stored: go on with --resume")
        raise
    return 0


def _check(args: argparse.Namespace, out: str | Path) -> int:
    from composer.training import check_training
    from composer.training.places import Places

    Places.of(out)  # the place is held as well as the rest

    with whole_misfit(args):
        prepared = check_training(args.document, **_chosen(args))
    report_loading(args, prepared.programs.loading)
    for task, data in prepared.data.items():
        say(f"{task}: {len(data.drawn(0)):,} samples, {data.batches(0):,} batches an epoch")
    say(f"{prepared.report.name}: {prepared.recipe.epochs} epochs can begin")
    return 0


def _chosen(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "recipe": args.recipe,
        "tasks": args.tasks,
        "epochs": args.epochs,
        "seed": args.seed,
        "threads": args.threads,
        "device": args.device,
        "precision": args.precision or DTYPES[args.dtype or "float32"],
        "settings": settings_of(args),
        **weights_of(args),
    }


def _file(text: str) -> Path:
    if not Path(text).name:
        raise argparse.ArgumentTypeError(f"{text!r} is not a name of a file")
    return Path(text)
