"""The lower halves of 16-bit colours, which Pillow leaves out: the same file read once more."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

__all__ = ["LowHalves", "stored_as"]

_OTHER_END = "B" if sys.byteorder == "little" else "L"
_SWAPPED = {
    f"{bands};16{end}": f"{bands};16{other}"
    for bands in ("RGB", "RGBA", "RGBX", "RGBa")
    for end, other in (("B", "L"), ("L", "B"), ("N", _OTHER_END))
}
"""How a file holds its pixels, with what reads their lower halves as if they were the upper ones."""
_GREY = "LA;16B"
"""Grey and its opacity, two bytes each: read as four bands of 8 bits, the second is the lower half of the grey."""


def stored_as(image: Image.Image) -> str:
    """How a file that is not yet read holds its pixels, in Pillow's word for it; "" where nothing is to be read."""
    args = image.tile[0].args if isinstance(image, ImageFile) and image.tile else ""
    return str((args[0] if args else "") if isinstance(args, tuple) else args)


@dataclass(frozen=True)
class LowHalves:
    """What reads them, once they are wanted. It is made before the pixels are read."""

    kind: type[ImageFile]
    stream: IO[bytes]
    frame: int
    stored: str

    @classmethod
    def of(cls, image: Image.Image) -> LowHalves | None:
        """None where the file holds no 16-bit colours, or none whose lower halves can be read."""
        stored = stored_as(image)
        if not isinstance(image, ImageFile) or image.fp is None or stored not in {*_SWAPPED, _GREY}:
            return None
        return cls(type(image), image.fp, image.tell(), stored)

    def read(self) -> NDArray[np.uint8]:
        """Of each pixel three colours or one grey, [height, width, bands]."""
        self.stream.seek(0)
        twin = self.kind(self.stream)
        twin.seek(self.frame)
        twin.tile = [tile._replace(args=self._with_low(tile.args)) for tile in twin.tile]
        twin.load()
        bands = np.asarray(twin)
        return bands[..., 1:2] if self.stored == _GREY else bands[..., :3]

    def _with_low(self, args: Any) -> Any:
        low = "RGBA" if self.stored == _GREY else _SWAPPED[self.stored]
        return (low, *args[1:]) if isinstance(args, tuple) else low
