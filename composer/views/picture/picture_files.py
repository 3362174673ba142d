"""Picture files: the format is told by the file's name. PNG and PDF are made from the SVG by vl-convert."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from composer.files import replace_file
from composer.graph import Checked
from composer.problems import InputError
from composer.views.picture.notes import Notes
from composer.views.picture.page import html_text
from composer.views.picture.painting import Painting
from composer.views.picture.svg import svg_text

__all__ = ["MERMAID", "SUFFIXES", "write_picture", "write_svg"]

SUFFIXES = (".svg", ".html", ".png", ".pdf")
MERMAID = "mermaid"
"""In the place of a file's name: the picture as Mermaid text, printed."""
_SCALE = 2.0
"""Pixels of a PNG for one unit of the SVG, so that small type stays sharp."""


def write_picture(
    path: Path,
    report: Checked,
    tasks: Iterable[str] | None = None,
    *,
    painting: Painting | None = None,
    notes: Notes | None = None,
    objective: bool = False,
    closed: bool = False,
) -> None:
    """Draw some tasks (all when left out) into a file whose name ends in one of `SUFFIXES`.

    Raises:
        InputError: for another suffix, for a file that cannot be written, or where PNG or PDF is asked for and the
            converter is not installed.
    """
    _check_suffix(path)
    svg = svg_text(report, tasks, painting=painting, notes=notes, objective=objective, closed=closed)
    write_svg(path, report.name, svg)


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: a picture is written to a name that ends in {', '.join(SUFFIXES)}")


def write_svg(path: Path, name: str, svg: str) -> None:
    """Write a picture in the format that the name of its file tells. Raises InputError as `write_picture` does."""
    _check_suffix(path)
    suffix = path.suffix.lower()
    if suffix in (".svg", ".html"):
        content = (html_text(name, svg) if suffix == ".html" else svg).encode()
    else:
        content = _converted(svg, suffix)
    replace_file(path, lambda file: file.write(content))


def _converted(svg: str, suffix: str) -> bytes:
    try:
        import vl_convert
    except ImportError as error:
        message = (
            f"a {suffix} picture needs the converter vl-convert: `pip install 'multimodal-composer[pictures]'`, "
            "or write a name that ends in .svg or .html"
        )
        raise InputError(message) from error
    if suffix == ".pdf":
        return bytes(vl_convert.svg_to_pdf(svg))
    return bytes(vl_convert.svg_to_png(svg, scale=_SCALE))
