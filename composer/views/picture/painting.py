"""Painting: a picture whose colours and notes come from outside, such as from a compile plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from composer.views.picture.colours import Colour
from composer.views.picture.legend import Entry
from composer.views.picture.scene import Box, Scene

__all__ = ["Coat", "Paint", "Painting", "painted", "painted_legend"]


@dataclass(frozen=True)
class Paint:
    """A colour and its line in the legend."""

    colour: Colour
    title: str
    note: str
    dashed: bool = False


@dataclass(frozen=True)
class Coat:
    """What one box gets: a paint by name, words after its second line, and lines for its tooltip."""

    paint: str
    note: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Painting:
    """Paints by name, in the order of the legend, and the coats of boxes by (task, box). Other boxes stay plain."""

    paints: Mapping[str, Paint]
    boxes: Mapping[tuple[str, str], Coat]


def painted(scene: Scene, painting: Painting) -> Scene:
    """The scene with every box in its coat."""
    boxes = {name: _coated(box, painting.boxes.get((scene.title, name))) for name, box in scene.boxes.items()}
    return replace(scene, boxes=boxes)


def _coated(box: Box, coat: Coat | None) -> Box:
    if coat is None:
        return replace(box, module=None)
    subtitle = f"{box.subtitle} · {coat.note}" if coat.note else box.subtitle
    return replace(box, paint=coat.paint, subtitle=subtitle, details=[*box.details, *coat.details])


def painted_legend(painting: Painting, scenes: Sequence[Scene]) -> list[Entry]:
    """The paints that the scenes show."""
    shown = {box.paint for scene in scenes for box in scene.boxes.values()}
    return [
        Entry(f"p{number}", paint.colour, paint.title, paint.note, name, paint.dashed)
        for number, (name, paint) in enumerate(painting.paints.items())
        if name in shown
    ]
