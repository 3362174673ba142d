"""The modality `box`: a box of a picture as tables of people's own data hold it, as parts of the picture."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Literal

from composer.plugin import Config, Modality

__all__ = ["BOX", "BoxProcessor", "BoxValueConfig", "four_numbers", "sample"]

ROUNDED = 1e-3
"""How far beyond the picture a box may reach that was rounded."""


class BoxValueConfig(Config):
    """`with` of an input of modality `box`."""

    form: Literal["xywh", "xyxy"] = "xywh"
    """How the data write a box: left, top, width and height, or left, top, right and bottom."""


def four_numbers(value: Any) -> Any:
    """The numbers of a box, as float64 [4]: of a list, an array, or a text such as `[0.1, 0.2, 0.5, 0.5]` or
    `0.1 0.2 0.5 0.5`. Raises ValueError for what has not four finite ones.
    """
    import numpy as np

    if isinstance(value, str):
        text = value.strip()
        value = (
            json.loads(text) if text.startswith("[") else [float(each) for each in re.split(r"[\s,;]+", text)]
        )
    found = np.asarray(value, dtype=np.float64)
    if found.shape != (4,) or not np.isfinite(found).all():
        raise ValueError("four numbers are expected")
    return found


class BoxProcessor:
    """Boxes to left, top, width and height."""

    def __init__(self, config: BoxValueConfig) -> None:
        self.config = config

    def encode(self, values: Sequence[Any]) -> dict[str, Any]:
        """`{"box": float32 [B, 4]}`. Raises InputError for what is no box of a picture."""
        import numpy as np

        return {"box": np.stack([self._box(value) for value in values]).astype("float32")}

    def _box(self, value: Any) -> Any:
        from composer.problems import InputError

        shown = f"{value!s:.60}"
        names = "left, top, width, height" if self.config.form == "xywh" else "left, top, right, bottom"
        try:
            found = four_numbers(value)
        except (ValueError, TypeError, RecursionError):
            raise InputError(f"{shown} is not a box: four numbers are expected ({names})") from None
        if self.config.form == "xyxy":
            found[2:] -= found[:2]
        if (found < -ROUNDED).any() or (found[:2] + found[2:] > 1 + ROUNDED).any():
            beyond = abs(found).max() > 2
            cure = "divide by the picture's width and height" if beyond else f"it is read as {names}"
            raise InputError(
                f"{shown} is not inside of the picture: a box is parts of it, from 0 to 1; {cure}"
            )
        if not (found[2:] > 0).all():
            raise InputError(f"{shown} has no area: its width or its height is 0 ({names})")
        return found.clip(0, 1)


def sample(config: BoxValueConfig) -> list[Any]:
    """Two boxes, for the conformance kit."""
    return [[0.1, 0.2, 0.5, 0.6], "0 0 1 1"]


BOX = Modality(
    "box",
    BoxValueConfig,
    lambda config: {"box": "embedding[B, 4]"},
    "composer_core.box_values:BoxProcessor",
    "A box as parts of the width and height of a picture, from 0 to 1, as a list or a text.",
    examples=({}, {"form": "xyxy"}),
    sample="composer_core.box_values:sample",
)
