"""The legend: which colour is which shared module, and what the other boxes are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from composer.graph import Report
from composer.views.picture.colours import NEUTRAL, PLAIN, Colour, colour
from composer.views.picture.scene import Scene
from composer.views.sharing import module_uses

__all__ = ["Entry", "legend_of"]


@dataclass(frozen=True)
class Entry:
    """One line of the legend. `module` is empty for the boxes that share nothing; in a painted picture, a paint."""

    css: str
    colour: Colour
    title: str
    note: str
    module: str = ""
    dashed: bool = False


def legend_of(report: Report, scenes: Sequence[Scene]) -> list[Entry]:
    """Shared modules in the document's order, then the plain kinds of boxes; only what the scenes show.

    A module's colour depends on the whole document: it is the same in the picture of every task.
    """
    boxes = [box for scene in scenes for box in scene.boxes.values()]
    shown = {box.module for box in boxes}
    uses = module_uses(report)
    shared = [name for name, use in uses.items() if use.shared]
    entries = [
        Entry(
            f"m{i}", colour(i), name, f"{report.modules[name].type.id}, shared by {uses[name].text()}", name
        )
        for i, name in enumerate(shared)
        if name in shown
    ]
    if any(box.role == "module" and box.module not in shared for box in boxes):
        entries.append(Entry("single", NEUTRAL, "module", "called once in this document"))
    if any(box.role == "in-place" for box in boxes):
        entries.append(Entry("plain", PLAIN, "in place", "owns no weights", dashed=True))
    return entries
