"""Check documents: every problem at once, with its place and its cure, before any weight is loaded."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from composer.cli.options import add_format, add_settings, settings_of
from composer.cli.output import print_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from composer.plugin import Registry
    from composer.problems import Problem

__all__ = ["configure", "run"]

MAX_ROUNDS = 10
"""Fixes that overlap are applied one after the other, each round followed by a new check; this bounds the rounds."""
UNREADABLE = ("C001", "C002", "C003", "C004")
"""Codes of a text that is no YAML, holds a key twice or is too large. Other problems a fix may bring to light."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="a document, or the name of one that a plugin ships"
    )
    parser.add_argument(
        "--fix", action="store_true", help="apply the mechanical fixes to the files, keeping all else"
    )
    add_format(parser)
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when a document has an error; warnings alone are fine."""
    from composer.plugin import load_registry
    from composer.problems.render import summary

    registry, settings = load_registry(), settings_of(args)
    paths = _once(args.paths)
    if args.fix:
        _fix(paths, registry, settings)
    problems, sources = _check(paths, registry, settings)
    print_problems(problems, sources, format=args.format)
    if args.format == "text" and not problems:
        count = f"{len(paths)} documents" if len(paths) > 1 else paths[0]
        print(f"{count}: {summary(problems)}")
    return int(any(problem.severity == "error" for problem in problems))


def _once(paths: list[str]) -> list[str]:
    """The paths without those that lead to a file which an earlier one has led to."""
    found: dict[str, str] = {}
    for path in paths:
        found.setdefault(str(Path(path).resolve()) if Path(path).is_file() else path, path)
    return list(found.values())


def _check(
    paths: list[str], registry: Registry, settings: Mapping[str, str]
) -> tuple[list[Problem], dict[str, str]]:
    """The problems of all documents; one that two documents share (through `extends`) is listed once."""
    from composer.graph import check

    problems: dict[Problem, None] = {}
    sources: dict[str, str] = {}
    for path in paths:
        report = check(path, registry=registry, settings=settings)
        problems |= dict.fromkeys(report.problems)
        sources |= report.sources
    return list(problems), sources


def _fix(paths: list[str], registry: Registry, settings: Mapping[str, str]) -> None:
    """Fix the named files in place. Files that they extend stay as they are unless they are named too."""
    from composer.problems.fix import Fixed, apply_fixes, replace_text

    fixed, result = 0, Fixed()
    changed: set[str] = set()
    for _ in range(MAX_ROUNDS):
        problems, sources = _check(paths, registry, settings)
        named = {file for file in sources if file in paths and Path(file).is_file()}
        mendable = [p for p in problems if p.fix and all(edit.file in named for edit in p.fix)]
        result = apply_fixes(mendable, sources, spoils=_spoils(sources, registry))
        for file, text in result.texts.items():
            replace_text(Path(file), sources[file], text)
        fixed += len(result.applied)
        changed |= set(result.texts)
        if not result.texts:
            break
    if fixed:
        noun = "problem" if fixed == 1 else "problems"
        print(f"fixed {fixed} {noun} in {', '.join(sorted(changed))}", file=sys.stderr)
    for problem in result.refused:
        print(f"not fixed, since the file could not be read afterwards: {problem}", file=sys.stderr)


def _spoils(sources: Mapping[str, str], registry: Registry) -> Callable[[str, str], bool]:
    """Tells of a file's new text whether it can be read less well than the one in `sources`."""

    def spoils(file: str, text: str) -> bool:
        return _unreadable(file, text, registry) > _unreadable(file, sources[file], registry)

    return spoils


def _unreadable(file: str, text: str, registry: Registry) -> int:
    """How many problems a text has that keep it from being read as it stands."""
    from composer.graph import check
    from composer.language import Source

    report = check(Source(file, text, Path(file)), registry=registry)
    return sum(problem.code in UNREADABLE and problem.place.file == file for problem in report.problems)
