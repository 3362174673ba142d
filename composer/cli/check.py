"""Check documents, and recipes of `composer train`: every problem at once, with its place and its cure, before any
weight is loaded.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from composer.cli.options import add_format, add_locked, add_settings, hold_locked, settings_of
from composer.cli.output import complain, print_problems, remark, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.graph import Checked, Report
    from composer.graph.mending import Mended, Refused
    from composer.plugin import Registry
    from composer.problems import Problem
    from composer.recipes import RecipeReport

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        help="a document, the name of one that a plugin ships, or a training recipe",
    )
    parser.add_argument(
        "--fix", action="store_true", help="apply the mechanical fixes to the files, keeping all else"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="with --fix: show what would change, and write nothing"
    )
    add_format(parser)
    add_locked(parser)
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when a document has an error; warnings alone are fine."""
    from composer.plugin import load_registry
    from composer.problems.render import summary

    if args.dry_run and not args.fix:
        complain("--dry-run goes with --fix")
        return 2
    registry, settings = load_registry(), settings_of(args)
    paths = _once(args.paths)
    mended = _fix(paths, registry, settings, args) if args.fix else None
    problems, sources, reports = _check(paths, registry, settings)
    fixed = mended.fixed if mended is not None and not args.dry_run else ()
    print_problems(problems, sources, format=args.format, fixed=fixed)
    if args.format == "text" and not problems:
        count = f"{len(paths)} documents" if len(paths) > 1 else paths[0]
        say(f"{count}: {summary(problems)}")
    for path, report in reports.items():
        hold_locked(args, path, report)
    return int(any(problem.severity == "error" for problem in problems))


def _once(paths: list[str]) -> list[str]:
    """The paths without those that lead to a file which an earlier one has led to."""
    found: dict[str, str] = {}
    for path in paths:
        found.setdefault(str(Path(path).resolve()) if Path(path).is_file() else path, path)
    return list(found.values())


def _check(
    paths: list[str], registry: Registry, settings: Mapping[str, str]
) -> tuple[list[Problem], dict[str, str], dict[str, Checked]]:
    """The problems of all documents; one that two documents share (through `extends`) is listed once.

    With the reports on those that have no error.
    """
    from composer.graph import check

    problems: dict[Problem, None] = {}
    sources: dict[str, str] = {}
    sound: dict[str, Checked] = {}
    for path in paths:
        checked = check(path, registry=registry, settings=settings)
        report: Report | RecipeReport = checked
        if checked.errors:
            report = _of_a_recipe(path, registry) or checked
        else:
            sound[path] = checked.raise_for_errors()
        problems |= dict.fromkeys(report.problems)
        sources |= report.sources
    return list(problems), sources, sound


def _of_a_recipe(path: str, registry: Registry) -> RecipeReport | None:
    """The report on a file that is a recipe. Only what has errors as a document is asked: most start faster so."""
    from composer.recipes import check_recipe, looks_like_recipe

    if not looks_like_recipe(Path(path)):
        return None
    found = check_recipe(Path(path), registry=registry)
    if found.data:
        from composer.data.data_checker import check_data

        found = check_data(found)
    return found


def _fix(
    paths: list[str], registry: Registry, settings: Mapping[str, str], args: argparse.Namespace
) -> Mended:
    """Fix the named files in place. Files that they extend stay as they are unless they are named too."""
    from composer.files import replace_text
    from composer.graph.mending import mend
    from composer.problems.fix import difference
    from composer.recipes import looks_like_recipe

    documents = [path for path in paths if not looks_like_recipe(Path(path))]
    mended = mend(documents, registry, settings)
    changed = sorted(mended.after)
    if not args.dry_run:
        for file in changed:
            replace_text(Path(file), mended.before[file], mended.after[file])
    # the change is what a dry run is asked for; beside the problems of a real run it is a remark
    show = say if args.dry_run and args.format == "text" else remark
    for file in changed:
        show(difference(file, mended.before[file], mended.after[file]), end="")
    if changed:
        noun = "problem" if len(mended.fixed) == 1 else "problems"
        verb = "would fix" if args.dry_run else "fixed"
        remark(f"{verb} {len(mended.fixed)} {noun} in {', '.join(changed)}")
    for refused in mended.refused:
        remark(f"not fixed, since {_reason(refused)}: {refused.problem}")
    return mended


def _reason(refused: Refused) -> str:
    from composer.problems import Effect

    if refused.follows.has(Effect.UNREADABLE):
        return "the file could not be read afterwards"
    if refused.follows.message == refused.problem.message:
        return "the problem would stay"
    return f"another problem would follow ({refused.follows.code}: {refused.follows.message})"
