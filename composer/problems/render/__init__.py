"""Rendering problems: the same findings as text for people, and as JSON, SARIF and workflow commands for tools."""

from composer.problems.render.formats import FORMATS, render, summary
from composer.problems.render.style import wants_color

__all__ = ["FORMATS", "render", "summary", "wants_color"]
