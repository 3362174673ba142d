"""RefCOCO, RefCOCO+ and RefCOCOg: phrases of a pickled list, boxes of a file as COCO has them."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from composer.problems import InputError
from composer_mplug2.annotations.entries import Row, Sample, entries, kept, medium, read_each

__all__ = ["referring"]


class _PlainUnpickler(pickle.Unpickler):
    """Reads lists, maps, texts and numbers; a pickle that names any code is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names the code {module}.{name}, and annotations have none")


def referring(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """One row a phrase; the box is left, top, width and height as parts of the picture's width and height."""
    found = _plain(files[0])
    with kept() as pictures, kept() as boxes:
        for each in entries(files[1], "images"):
            pictures.put(each["id"], [each["file_name"], each["width"], each["height"]])
        for each in entries(files[1], "annotations"):
            boxes.put(each["id"], each["bbox"])

        def read(each: Any) -> Iterator[Row]:
            name, width, height = pictures.one(each["image_id"])
            left, top, wide, high = map(float, boxes.one(each["ann_id"]))
            box = [left / width, top / height, wide / width, high / height]
            image = medium(media, name, f"train2014/{name}", f"mscoco/train2014/{name}")
            for sentence in each["sentences"]:
                row = {"id": sentence["sent_id"], "image": image, "phrase": str(sentence["sent"])}
                yield {**row, "truth": box, "split": str(each["split"])}

        yield from read_each(found, files[0], read, "reference")


def _plain(path: Path) -> list[Any]:
    """The list of a pickle without code. It is read whole: a pickle cannot be read in parts."""
    try:
        found = _PlainUnpickler(
            io.BytesIO(path.read_bytes()), encoding="utf-8", errors="surrogateescape"
        ).load()
    except (
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        IndexError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        MemoryError,
    ) as error:
        raise InputError(f"{path} is not a list of references: {error}") from None
    if not isinstance(found, list):
        raise InputError(f"{path} is not a list of references, but a {type(found).__name__}")
    return found
