"""Print a document: its modules and tasks with every port type, its plan, its cost, or where every value comes from.

composer show mplug2:video-qa --cost --at batch=8 question.length=20
composer show mplug2 --picture mplug2.svg
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from composer.cli.options import add_settings, settings_of, split_task

if TYPE_CHECKING:
    from composer.graph import Report

__all__ = ["configure", "run"]

MERMAID = "mermaid"
DTYPES = ("float32", "bfloat16", "float16")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("document", metavar="DOC[:TASK]", help="a document, or one of its tasks")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--resolved", action="store_true", help="the merged document; every value with its file and line"
    )
    what.add_argument("--plan", action="store_true", help="what runs, in which order, in which stage")
    what.add_argument(
        "--cost", action="store_true", help="parameters, operations and memory, without loading a weight"
    )
    what.add_argument(
        "--picture",
        metavar="OUT",
        type=_picture,
        help="write a picture to OUT (.svg or .html), or print it as Mermaid text (`--picture mermaid`)",
    )
    parser.add_argument(
        "--at",
        metavar="NAME=SIZE",
        type=_size,
        nargs="+",
        action="extend",
        help="sizes of free dimensions for --cost: batch=8 question.length=20",
    )
    parser.add_argument("--dtype", choices=DTYPES, help="number format for --cost (default: float32)")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """A document with errors shows its problems instead, except that `--resolved` shows what could be read."""
    from composer.graph import check

    if not args.cost and (args.at or args.dtype):
        print(f"composer: error: {'--at' if args.at else '--dtype'} belongs to --cost", file=sys.stderr)
        return 2
    document, task = split_task(args.document)
    report = check(document, settings=settings_of(args))
    if args.resolved and report.document is not None:
        from composer.views import resolved_text

        if task is not None and task not in report.document.shape.tasks:
            report.raise_for_errors()
            _chosen(report, task)
        print(resolved_text(report.document, task=task))
        return 0
    report.raise_for_errors()
    names = _chosen(report, task)
    if args.picture is not None:
        return _draw(report, names, args.picture)
    print(_text(report, names, task, args))
    return 0


def _text(report: Report, names: list[str], task: str | None, args: argparse.Namespace) -> str:
    if args.plan:
        from composer.plan import plan_task

        return "\n\n".join(str(plan_task(report.tasks[name])) for name in names)
    if args.cost:
        from composer.views.cost import cost_text, measure

        return cost_text(measure(report, tasks=names, at=dict(args.at or ()), dtype=args.dtype or DTYPES[0]))
    from composer.views import document_text, task_text

    return document_text(report) if task is None else task_text(report.tasks[task])


def _draw(report: Report, names: list[str], out: str) -> int:
    from composer.views import picture
    from composer.views.writing import write_whole

    if out == MERMAID:
        sys.stdout.write(picture.mermaid_text(report, names))
        return 0
    path = Path(out)
    drawn = (
        picture.svg_text(report, names) if path.suffix.lower() == ".svg" else picture.html_text(report, names)
    )
    write_whole(path, drawn)
    print(f"wrote {path}")
    return 0


def _picture(text: str) -> str:
    if text != MERMAID and Path(text).suffix.lower() not in (".svg", ".html"):
        raise argparse.ArgumentTypeError(f"{text!r}: write a name that ends in .svg or .html, or `{MERMAID}`")
    return text


def _size(text: str) -> tuple[str, int]:
    """Read `batch=8`."""
    name, _, size = text.partition("=")
    if not name or not (size.isascii() and size.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form name=size, such as batch=8")
    return name, int(size)


def _chosen(report: Report, task: str | None) -> list[str]:
    from composer.language import nearest
    from composer.problems import InputError

    if task is None:
        return list(report.tasks)
    if task not in report.tasks:
        guess = nearest(task, list(report.tasks))
        hint = f"did you mean `{guess}`?" if guess else f"there are {', '.join(report.tasks) or 'none'}"
        raise InputError(f"{report.name} has no task `{task}`; {hint}")
    return [task]
