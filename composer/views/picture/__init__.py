"""Pictures of tasks: SVG, a page with hover, and Mermaid text. No Graphviz and no torch."""

from composer.views.picture.colours import ALARM, OUTSIDE, PLAIN, WARNING, Colour, cool_colour
from composer.views.picture.mermaid import mermaid_text
from composer.views.picture.page import html_text
from composer.views.picture.painting import Coat, Paint, Painting
from composer.views.picture.svg import svg_text

__all__ = [
    "ALARM",
    "OUTSIDE",
    "PLAIN",
    "WARNING",
    "Coat",
    "Colour",
    "Paint",
    "Painting",
    "cool_colour",
    "html_text",
    "mermaid_text",
    "svg_text",
]
