"""Explain a problem code with a bad and a good example, or list all codes."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING

from composer.cli.output import say

if TYPE_CHECKING:
    from composer.problems.codes import Code

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "code", metavar="CODE", nargs="?", help="a code such as C203; without it, all are listed"
    )


def run(args: argparse.Namespace) -> int:
    """Print one explanation, or the table."""
    from composer.problems import InputError
    from composer.problems.codes import CODES

    if args.code is None:
        say("\n".join(f"{code.code}  {code.severity:<7}  {code.title}" for code in CODES.values()))
        return 0
    found = CODES.get(args.code.upper())
    if found is None:
        raise InputError(f"there is no code {args.code!r}; `composer explain` lists all")
    say(explanation(found))
    return 0


def explanation(code: Code) -> str:
    """The whole explanation as text: title, prose, the examples and what they need beside them."""
    parts = [f"{code.severity}[{code.code}]: {code.title}", code.explanation, "Wrong:", _indented(code.bad)]
    parts += ["Right:", _indented(code.good)]
    for name, text in code.files.items():
        parts += [f"Beside it, {name}:", _indented(text)]
    for name, text in code.plugins.items():
        parts += [f"With the plugin `{name}` installed:", _indented(text)]
    return "\n\n".join(part for part in parts if part)


def _indented(text: str) -> str:
    return textwrap.indent(text.rstrip("\n"), "  ")
