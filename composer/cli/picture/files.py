"""The picture of a document or a task in the format that the file's name asks for."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from composer.cli.picture.colors import module_colors
from composer.cli.picture.drawing import drawing_of
from composer.cli.picture.mermaid import mermaid_text
from composer.cli.picture.svg import svg_document
from composer.graph import Report
from composer.problems import InputError

__all__ = ["format_of", "picture_text"]

FORMATS = {".svg": "svg", ".html": "html", ".htm": "html", ".mmd": "mermaid"}

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ margin: 24px; font: 14px/1.5 system-ui, sans-serif; color: #0f172a; background: #fff; }}
h1 {{ font-size: 20px; margin: 0; }}
figure {{ margin: 16px 0; overflow: auto; }}
svg {{ max-width: none; }}
</style>
<h1>{title}</h1>
<p>{summary}</p>
<figure>
{svg}</figure>
</html>
"""


def format_of(target: str) -> str:
    """`svg`, `html` or `mermaid`; raises InputError for a file name that asks for none of them."""
    if target == "mermaid":
        return "mermaid"
    suffix = Path(target).suffix.lower()
    if suffix not in FORMATS:
        raise InputError(
            f"{target!r} is no picture: end the name with .svg, .html or .mmd, or write `mermaid`"
        )
    return FORMATS[suffix]


def picture_text(report: Report, tasks: Iterable[str], format: str) -> str:
    """The picture of the named tasks of a document without errors."""
    drawings = [drawing_of(report.tasks[name]) for name in tasks]
    colors = module_colors(report.modules)
    if format == "mermaid":
        return mermaid_text(drawings, colors)
    svg = svg_document(drawings, colors)
    if format == "svg":
        return svg
    summary = report.document.shape.summary if report.document is not None else ""
    return PAGE.format(title=escape(report.name), summary=escape(summary), svg=svg)
