"""Run a task on inputs given as name=value: a path for a picture or a clip, the text itself for a text.

composer run quickstart:image-qa image=picture.png question="is there a circle?"
composer run dist/quickstart:image-qa image=picture.png question="is there a circle?"
composer run quickstart:image-qa --rows questions.jsonl --out answers.jsonl
composer run quickstart:image-caption --rows "pictures/*.png" --out captions.csv
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Mapping
from textwrap import indent
from typing import TYPE_CHECKING, Any

from composer.cli.answering_model import answering_model
from composer.cli.options import (
    add_device,
    add_dtype,
    add_json,
    add_seed,
    add_settings,
    add_threads,
    add_weights,
    seed_of,
    split_task,
    use_threads,
)
from composer.cli.output import complain, print_json, remark, say
from composer.cli.rankings import RANKING, ranking_table
from composer.cli.readers import assignment
from composer.cli.running_rows import add_rows, answer_rows, collected, hold_places, misused

if TYPE_CHECKING:
    from composer.execution import Answering, Timing

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "task",
        metavar="DOC:TASK",
        help="a document or a compiled artifact, and one of its tasks, which may be left out where there is only one",
    )
    parser.add_argument(
        "inputs",
        metavar="NAME=VALUE",
        nargs="*",
        type=assignment,
        help="the inputs of the task; a name given several times makes a list: a batch, or answers to rank, and "
        "NAME=@FILE reads the values of an input that takes a list from a file (one a line; .json: a list)",
    )
    add_weights(parser)
    add_device(parser)
    add_dtype(parser)
    add_threads(parser)
    add_seed(
        parser,
        "draw initial weights, and the tokens of searches that draw them, as another run with this seed did",
    )
    parser.add_argument(
        "--fuse",
        metavar="DIR",
        help="let torch.compile fuse the modules of the encode stages, and keep in this folder what it makes",
    )
    printed = parser.add_mutually_exclusive_group()
    printed.add_argument(
        "--stream", action="store_true", help="print text as it is generated, by a search that can"
    )
    add_json(printed, "all outputs")
    parser.add_argument(
        "--timing",
        action="store_true",
        help="print how long each node ran on standard error, or with --json beside the outputs",
    )
    add_settings(parser)
    add_rows(parser)


def run(args: argparse.Namespace) -> int:
    wrong = misused(args)
    if wrong is not None:
        complain(wrong)
        return 2
    use_threads(args)
    document, task = split_task(args.task)
    if args.rows is not None:
        hold_places(args)
    with answering_model(args, document, task) as model:
        name = model.only_task() if task is None else task
        code = _answer(args, model, name) if args.rows is None else answer_rows(args, model, name)
        if (fusing := getattr(model, "fusing", None)) is not None:
            remark(f"composer: note: {fusing}")
        return code


def _answer(args: argparse.Namespace, model: Answering, name: str) -> int:
    raw = collected(args.inputs, model.reader(name).inputs)
    drawn = seed_of(args, model, name)
    seed = {} if drawn is None else {"seed": drawn}  # an input may be called so, and is given as one
    timing = _timing(args, model)
    if args.stream:
        with timing or contextlib.nullcontext():
            pieces = model.stream(name, **{**seed, **raw})
            first = next(pieces, "")
            for node, text in getattr(pieces, "earlier", {}).items():
                remark(f"{node}: {text}")
            say(first, end="", flush=True)
            for piece in pieces:
                say(piece, end="", flush=True)
        say()
        if timing is not None:
            remark(timing)
        return 0
    with timing or contextlib.nullcontext():
        answers = model.run(name, **{**seed, **raw})
    from composer.rows.plain_values import not_finite, plain

    outputs = {output: plain(value) for output, value in answers.items()}
    for output, value in outputs.items():
        broken, count = not_finite(value)
        if broken:
            finding = f"{broken} of its {count} values are NaN or infinite"
            remark(f"composer: warning: output `{output}` is not finite: {finding}")
    if args.json:
        print_json(
            outputs if timing is None else {"outputs": outputs, "timing": timing.as_json()}, indent=None
        )
        return 0
    say(_written(outputs, model.ports(name).outputs))
    if timing is not None:
        remark(timing)
    return 0


def _timing(args: argparse.Namespace, model: Answering) -> Timing | None:
    if not args.timing:
        return None
    from composer.execution import Timing

    return Timing(model.device)


def _written(outputs: Mapping[str, Any], kinds: Mapping[str, str]) -> str:
    """One output alone is printed bare; several are named. Arrays are printed as lists, rankings as tables."""
    shown = {
        name: ranking_table(value) if kinds.get(name) == RANKING else str(value)
        for name, value in outputs.items()
    }
    if len(shown) == 1:
        return next(iter(shown.values()))
    return "\n".join(
        f"{name}:\n{indent(text, '  ')}" if kinds.get(name) == RANKING else f"{name}: {text}"
        for name, text in shown.items()
    )
