"""Print a document: its modules and tasks, a task with every port type, its plan, or every value with its origin."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from composer.cli.options import add_settings, settings_of, split_task

if TYPE_CHECKING:
    from composer.graph import Report

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("document", metavar="DOC[:TASK]", help="a document, or one of its tasks")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--resolved", action="store_true", help="the merged document; every value with its file and line"
    )
    what.add_argument("--plan", action="store_true", help="what runs, in which order, in which stage")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """A document with errors shows its problems instead, except that `--resolved` shows what could be read."""
    from composer.graph import check

    document, task = split_task(args.document)
    report = check(document, settings=settings_of(args))
    if args.resolved and report.document is not None:
        from composer.cli.views.resolved import resolved_text

        print(resolved_text(report.document))
        return 0
    report.raise_for_errors()
    names = _chosen(report, task)
    if args.plan:
        from composer.plan import plan_task

        print("\n\n".join(str(plan_task(report.tasks[name])) for name in names))
    else:
        from composer.cli.views.table import document_text, task_text

        print(document_text(report) if task is None else task_text(report.tasks[task]))
    return 0


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
