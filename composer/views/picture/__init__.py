"""Pictures of tasks: SVG, a page with hover, and Mermaid text. No Graphviz and no torch."""

from composer.views.picture.mermaid import mermaid_text
from composer.views.picture.page import html_text
from composer.views.picture.svg import svg_text

__all__ = ["html_text", "mermaid_text", "svg_text"]
