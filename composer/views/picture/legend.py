"""The legend: which colour is which shared module, and what the other boxes are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from composer.graph import Checked
from composer.views.picture.colours import NEUTRAL, PLAIN, Colour, colour
from composer.views.picture.module_states import states_of
from composer.views.picture.scene import Scene
from composer.views.sharing import Use, module_uses

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


def legend_of(report: Checked, scenes: Sequence[Scene]) -> list[Entry]:
    """Shared modules in the document's order, then the plain kinds of boxes; only what the scenes show.

    A module's colour depends on the whole document: it is the same in the picture of every task. In a picture of
    several tasks colour means sharing; in that of one task every module has a colour.
    """
    boxes = [box for scene in scenes for box in scene.boxes.values()]
    shown = Counter(box.module for box in boxes)
    uses = module_uses(report)
    shared = [name for name, use in uses.items() if use.shared]
    single = [name for name in uses if name not in shared]
    entries = [
        Entry(f"m{i}", colour(i), name, _note(report, name, uses[name], scenes), name)
        for i, name in enumerate((*shared, *single))
        if name in shown and (name in shared or shown[name] > 1 or len(scenes) == 1)
    ]
    coloured = {entry.module for entry in entries}
    if any(box.role == "module" and box.module not in coloured for box in boxes):
        entries.append(Entry("single", NEUTRAL, "module", "called by one node"))
    if any(box.role == "in-place" for box in boxes):
        entries.append(Entry("plain", PLAIN, "in place", "owns no weights", dashed=True))
    return entries


def _note(report: Checked, name: str, use: Use, scenes: Sequence[Scene]) -> str:
    """The module's type, which of the drawn tasks call it how often (the others are counted only), and its state."""
    module = report.modules[name]
    states = "".join(f"; {state}" for state in states_of(module))
    drawn = {scene.title for scene in scenes}
    counts = {scene.title: sum(box.module == name for box in scene.boxes.values()) for scene in scenes}
    calls = [task if count == 1 else f"{task} ({count} calls)" for task, count in counts.items() if count]
    others = len({*use.calls, *use.training} - drawn)
    more = f"{others} other task{'' if others == 1 else 's'}" if others else ""
    if len(scenes) == 1:
        (count,) = counts.values()
        parts = [f"{count} calls" if count > 1 else "", f"shared with {more}" if more else ""]
        return ", ".join(filter(None, (module.type.id, *parts))) + states
    called = ", ".join((*calls, more) if more else calls)
    return f"{module.type.id}, shared by {called}{states}"
