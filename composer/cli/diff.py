"""Compare two documents, or a task of each: what they have in common and what not, whatever things are called.

composer diff quickstart my-vqa.yaml
composer diff mplug2:video-qa mplug2:image-qa --picture difference.svg
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from composer.cli.options import add_json, split_task
from composer.cli.output import print_json, remark, say
from composer.cli.readers import picture_file

if TYPE_CHECKING:
    from composer.graph import Checked

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", metavar="A", help="a document, or DOC:TASK")
    parser.add_argument("b", metavar="B", help="another one")
    add_json(parser, "what is found")
    parser.add_argument(
        "--picture",
        metavar="OUT",
        type=picture_file,
        help="write a picture of both, with what differs in colours, to OUT (.svg, .html, .png or .pdf)",
    )
    parser.add_argument(
        "--cost", action="store_true", help="measure both, too: parameters in common, FLOPs of every task"
    )
    parser.add_argument(
        "--exit-code", action="store_true", help="end with 1 where something differs, other than names"
    )


def run(args: argparse.Namespace) -> int:
    from composer.views.diff import diff_documents, diff_text

    (a, task_a), (b, task_b) = _read(args.a), _read(args.b)
    found = diff_documents(a, b, task_a=task_a, task_b=task_b, cost=args.cost)
    if args.json:
        print_json(found.as_json(), indent=1)
    else:
        say(diff_text(found))
    if args.picture is not None:
        from composer.views.diff.diff_picture import draw_diff

        draw_diff(Path(args.picture), a, b, found)
        remark(f"wrote {args.picture}")
    return int(args.exit_code and not found.same)


def _read(text: str) -> tuple[Checked, str | None]:
    """A document without errors, and the task that is named. Raises DocumentError, and InputError for no such task."""
    from composer.graph import check
    from composer.problems.suggest import unknown

    document, task = split_task(text)
    report = check(document).raise_for_errors()
    if task is not None and task not in report.tasks:
        raise unknown("task", task, report.tasks, report.name)
    return report, task
