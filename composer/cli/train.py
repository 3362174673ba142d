"""Train a document by its recipe, all tasks together, and write weights, a record of the run, and scores.

composer train quickstart --out my-weights
composer train quickstart:image-qa image-caption --out two-tasks
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
    report_loading,
    settings_of,
    sources_of,
    split_task,
    weights_of,
    whole_misfit,
)
from composer.cli.output import complain, remark, say
from composer.cli.readers import positive
from composer.cli.signals import Ended
from composer.cli.train_data import add_course, add_data, data_of, misused_data

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "document",
        metavar="DOC[:TASK]",
        help="a document, or the name of one that a plugin ships, and the task that is trained (default: those of the "
        "recipe, or the one that has an objective)",
    )
    parser.add_argument("more", metavar="TASK", nargs="*", help="more tasks of the document")
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=_file,
        help="writes FILE.safetensors, FILE.json, FILE.checkpoint and more (default: the document's name, here)",
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
    add_course(parser)
    parser.add_argument(
        "--write-recipe",
        metavar="FILE",
        type=Path,
        help="write the recipe that --data would train by, to be edited, and stop",
    )
    add_data(parser, "trained")
    parser.add_argument(
        "--save-every",
        metavar="N UNIT",
        type=_often,
        help="how often the state is stored besides the end of every epoch, such as '500 steps' (default: the "
        "recipe's, or '10 minutes')",
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
        choices=tuple(DTYPES.values()),
        help="fp32, or bf16 or fp16: the forward pass in that, weights and optimizer in float32 (default: fp32)",
    )
    parser.add_argument(
        "--processes",
        type=positive,
        metavar="N",
        help="train in so many processes of this machine, which share every batch; on GPUs, one for each (default: 1)",
    )
    parser.add_argument(
        "--shard",
        action="store_true",
        help="split weights, gradients and the optimizer's state over the processes (FSDP2)",
    )
    parser.add_argument(
        "--tensorboard", metavar="DIR", help="write event files for TensorBoard into this folder, too"
    )
    add_dtype(parser, " of the forward pass: --precision by torch's names")
    add_weights(parser, default="initial weights")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    if args.dtype is not None and args.precision is not None:
        complain("--dtype and --precision say the same: give one of them")
        return 2
    if args.processes and args.processes > 1 and not args.check and "RANK" not in os.environ:
        from composer.cli.several import run_several

        return run_several(args.words, args.processes)
    if "RANK" in os.environ:
        from composer.cli.several import follow_launcher

        follow_launcher()
    wrong = misused_data(args)
    if wrong is not None:
        complain(wrong)
        return 2
    args.document, task = split_task(args.document)
    args.tasks = list(dict.fromkeys([*([task] if task else []), *args.more, *(args.tasks or [])])) or None
    # Threads of torch that wait must sleep: awake, each takes a core from those that work, and two threads on a busy
    # machine were 5 times slower than one. Read once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    out = args.out or Path(args.document).stem or "model"
    if args.write_recipe is not None:
        return _write_recipe(args)
    if args.check:
        return _check(args, out)
    from composer.training import train_document

    try:
        with whole_misfit(args):
            train_document(
                args.document,
                out=out,
                resume=args.resume,
                shard=args.shard,
                tensorboard=args.tensorboard,
                loaded=lambda loading: report_loading(args, loading),
                command=shlex.join(["composer", *sys.argv[1:]]),
                **_chosen(args),
            )
    except (KeyboardInterrupt, Ended):
        from composer.training.places import Places

        if Places.of(out).checkpoint.is_file():
            remark("the run is stored: go on with --resume")
        raise
    return 0


def _write_recipe(args: argparse.Namespace) -> int:
    from composer.cli.scaffold import refuse_existing, write_new
    from composer.recipes import data_recipe
    from composer.training.chosen_recipe import made_recipe

    path: Path = args.write_recipe
    refuse_existing(path)
    asked = {
        "epochs": args.epochs,
        "batch": args.batch,
        "learning_rate": args.learning_rate,
        "seed": args.seed,
    }
    text = made_recipe(
        args.document,
        data_recipe(data_of(args) or {}),
        path.parent,
        tasks=args.tasks,
        settings=settings_of(args),
        changes={name: value for name, value in asked.items() if value is not None},
        start=sources_of(args),
    )
    write_new(path, text, make_folder=True)
    say(f"wrote {path}")
    say(f"next: composer train {shlex.quote(args.document)} --recipe {shlex.quote(str(path))}")
    return 0


def _check(args: argparse.Namespace, out: str | Path) -> int:
    from composer.training import check_training
    from composer.training.places import Places

    Places.of(out)  # the place is held as well as the rest

    with whole_misfit(args):
        prepared = check_training(args.document, **_chosen(args))
    report_loading(args, prepared.programs.loading)
    for own in prepared.own.values():
        for note in own.notes:
            say(note)
    for task, data in prepared.data.items():
        say(f"{task}: {len(data.drawn(0)):,} samples, {data.batches(0):,} batches an epoch")
    epochs = prepared.recipe.epochs
    say(f"{prepared.report.name}: {epochs} {'epoch' if epochs == 1 else 'epochs'} can begin")
    return 0


def _chosen(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "recipe": args.recipe,
        "tasks": args.tasks,
        "data": data_of(args),
        "batch": args.batch,
        "learning_rate": args.learning_rate,
        "epochs": args.epochs,
        "save_every": args.save_every,
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


def _often(text: str) -> str:
    from composer.recipes import Every

    try:
        Every.of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text
