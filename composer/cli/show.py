"""Print a document: its modules and tasks with every port type, its plan, its cost, or where every value comes from.

composer show mplug2:video-qa --cost --at batch=8 question.length=20
composer show mplug2 --picture mplug2.svg
composer show quickstart:image-qa --picture image-qa.png --cost
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from composer.cli.options import (
    add_dtype,
    add_locked,
    add_settings,
    hold_locked,
    settings_of,
    split_task,
)
from composer.cli.output import complain, print_document, say
from composer.cli.readers import picture_file

if TYPE_CHECKING:
    from composer.graph import Checked, Report
    from composer.views.cost import Cost

__all__ = ["configure", "run"]


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
    parser.add_argument(
        "--picture",
        metavar="OUT",
        type=_picture,
        help="write a picture to OUT (.svg, .html, .png or .pdf), or print it as Mermaid text "
        "(`--picture mermaid`); with --cost, every box says what it costs",
    )
    parser.add_argument(
        "--objective",
        action="store_true",
        help="with --picture or --plan: what training computes, up to the loss",
    )
    parser.add_argument(
        "--closed",
        action="store_true",
        help="tables and pictures: each use of a piece as one, not what is inside",
    )
    parser.add_argument(
        "--at",
        metavar="NAME=SIZE",
        type=_size,
        nargs="+",
        action="extend",
        help="sizes of free dimensions for --cost: batch=8 question.length=20",
    )
    add_dtype(parser, " for --cost")
    add_locked(parser)
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """A document with errors shows its problems instead, except that `--resolved` shows what could be read."""
    from composer.graph import check

    wrong = _wrong_together(args)
    if wrong:
        complain(wrong)
        return 2
    document, task = split_task(args.document)
    report = check(document, settings=settings_of(args))
    if report.ok:
        hold_locked(args, document, report.raise_for_errors())
    if args.resolved and report.document is not None:
        from composer.views import resolved_text

        if task is not None and task not in report.document.shape.tasks:
            report.raise_for_errors()
            _chosen(report, task)
        print_document(f"{resolved_text(report.document, task=task)}\n")
        return 0
    checked = report.raise_for_errors()
    names = _chosen(checked, task)
    if args.picture is not None:
        return _draw(checked, names, args)
    say(_text(checked, names, task, args))
    return 0


def _text(report: Checked, names: list[str], task: str | None, args: argparse.Namespace) -> str:
    if args.plan:
        return _plans(report, names, objective=args.objective)
    if args.cost:
        from composer.views.cost import cost_text

        return cost_text(_cost(report, names, args))
    from composer.views import document_text, task_text

    if task is None:
        return document_text(report, closed=args.closed)
    return task_text(report.tasks[task], closed=args.closed)


def _wrong_together(args: argparse.Namespace) -> str:
    """What is wrong with the options as they stand together; empty where nothing is."""
    if not args.cost and (args.at or args.dtype):
        return f"{'--at' if args.at else '--dtype'} belongs to --cost"
    if args.picture is not None and (args.plan or args.resolved):
        return f"--picture draws the plan: leave {'--plan' if args.plan else '--resolved'} out"
    if args.objective and args.picture is None and not args.plan:
        return "--objective belongs to --picture or --plan"
    if args.closed and (args.plan or args.resolved or args.cost):
        return "--closed draws and lists uses of pieces: plans, costs and origins are told node by node"
    if args.objective and args.cost:
        return "--cost tells what answering costs: leave --objective out"
    return ""


def _plans(report: Checked, names: list[str], *, objective: bool) -> str:
    from composer.plan import plan_objective, plan_task
    from composer.problems import InputError
    from composer.views.labels import Labels

    if not objective:
        return "\n\n".join(
            plan_task(task).text(Labels(task).port) for task in map(report.tasks.__getitem__, names)
        )
    trained = [report.tasks[name] for name in names if report.tasks[name].loss is not None]
    if not trained:
        raise InputError(
            f"nothing to plan: {', '.join(f'`{n}`' for n in names)} of {report.name} has no objective"
        )
    return "\n\n".join(plan_objective(task).text(Labels(task).port) for task in trained)


def _cost(report: Checked, names: list[str], args: argparse.Namespace) -> Cost:
    from composer.views.cost import measure

    return measure(report, tasks=names, at=dict(args.at or ()), dtype=args.dtype or "float32")


def _draw(report: Checked, names: list[str], args: argparse.Namespace) -> int:
    from composer.views.picture import MERMAID, cost_notes, mermaid_text, write_picture

    notes = cost_notes(report, _cost(report, names, args)) if args.cost else None
    if args.picture == MERMAID:
        print_document(mermaid_text(report, names, notes=notes, objective=args.objective, closed=args.closed))
        return 0
    write_picture(
        Path(args.picture), report, names, notes=notes, objective=args.objective, closed=args.closed
    )
    say(f"wrote {args.picture}")
    return 0


def _picture(text: str) -> str:
    from composer.views.picture import MERMAID

    if text == MERMAID:
        return text
    try:
        return str(picture_file(text))
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, or `{MERMAID}`") from error


def _size(text: str) -> tuple[str, int]:
    """Read `batch=8`."""
    name, _, size = text.partition("=")
    if not name or not (size.isascii() and size.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form name=size, such as batch=8")
    if len(size) > 9:
        raise argparse.ArgumentTypeError(f"{text!r}: a size has at most nine digits")
    return name, int(size)


def _chosen(report: Report, task: str | None) -> list[str]:
    from composer.problems.suggest import unknown

    if task is None:
        return list(report.tasks)
    if task not in report.tasks:
        raise unknown("task", task, report.tasks, report.name)
    return [task]
