"""Pictures of tasks: SVG, PNG, PDF, a page with hover, and Mermaid text. No Graphviz and no torch."""

from composer.views.picture.colours import ALARM, OUTSIDE, PLAIN, WARNING, Colour, cool_colour
from composer.views.picture.mermaid import mermaid_text
from composer.views.picture.notes import Notes, cost_notes
from composer.views.picture.page import html_text
from composer.views.picture.painting import Coat, Paint, Painting
from composer.views.picture.picture_files import MERMAID, SUFFIXES, write_picture
from composer.views.picture.svg import svg_text

__all__ = [
    "ALARM",
    "MERMAID",
    "OUTSIDE",
    "PLAIN",
    "SUFFIXES",
    "WARNING",
    "Coat",
    "Colour",
    "Notes",
    "Paint",
    "Painting",
    "cool_colour",
    "cost_notes",
    "html_text",
    "mermaid_text",
    "svg_text",
    "write_picture",
]
