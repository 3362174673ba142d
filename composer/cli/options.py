"""Options that several commands share, and how `DOC:TASK` and `name=value` are read."""

from __future__ import annotations

import argparse
from pathlib import Path

from composer.problems.render import FORMATS

__all__ = ["add_format", "add_settings", "assignment", "picture_file", "settings_of", "split_task"]


def add_settings(parser: argparse.ArgumentParser) -> None:
    """`--set name=value`, as often as wanted; the value is typed and checked like the parameter's default."""
    parser.add_argument(
        "--set",
        dest="settings",
        metavar="NAME=VALUE",
        type=assignment,
        action="append",
        default=[],
        help="give a parameter of the document another value",
    )


def add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", choices=FORMATS, default="text", help="how problems are written (default: text)"
    )


def assignment(text: str) -> tuple[str, str]:
    """Read `name=value`; the value may be empty and may hold further `=`."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form name=value")
    return name, value


def picture_file(text: str) -> Path:
    """Read the name of a picture, whose ending tells the format."""
    from composer.views.picture import SUFFIXES

    path = Path(text)
    if path.suffix.lower() not in SUFFIXES:
        endings = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        raise argparse.ArgumentTypeError(f"{text!r}: write a name that ends in {endings}")
    return path


def settings_of(args: argparse.Namespace) -> dict[str, str]:
    """The values of `--set` as they were typed, which the parameters' defaults tell how to read; the last counts."""
    return dict(args.settings)


def split_task(text: str) -> tuple[str, str | None]:
    """Split `DOC:TASK`. A path that exists as it stands is a document, whatever colons it holds."""
    if Path(text).exists():
        return text, None
    document, colon, task = text.rpartition(":")
    # `C:\\models\\vqa.yaml` has a colon too: a task name holds no slash.
    if not colon or not document or "/" in task or "\\" in task:
        return text, None
    return document, task or None
