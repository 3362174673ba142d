"""RefCOCO, RefCOCO+ and RefCOCOg: phrases of a pickled list, boxes of a file as COCO has them."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from composer.plugin import UnreadableSample
from composer.problems import InputError
from composer_mplug2.annotations.entries import Kept, Sample, entries, kept, medium, read_each

__all__ = ["referring"]


class _PlainUnpickler(pickle.Unpickler):
    """Reads lists, maps, texts and numbers; a pickle that names any code is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names the code {module}.{name}, and annotations have none")


def referring(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """One row a phrase; the box is left, top, width and height as parts of the picture's width and height."""
    found: Iterable[Any] = entries(files[0], "") if files[0].suffix == ".json" else _plain(files[0])
    with kept() as pictures, kept() as boxes:
        _keep(entries(files[1], "images"), pictures, ("file_name", "width", "height"))
        _keep(entries(files[1], "annotations"), boxes, ("bbox",))

        def read(each: Any) -> Iterator[Sample]:
            name, width, height = pictures.one(each["image_id"])
            left, top, wide, high = map(float, boxes.one(each["ann_id"])[0])
            box = [left / width, top / height, wide / width, high / height]
            image = medium(media, name, f"train2014/{name}", f"mscoco/train2014/{name}")
            for sentence in each["sentences"]:
                id_, phrase = sentence["sent_id"], sentence["sent"]
                if phrase is None or not str(phrase).strip():
                    yield UnreadableSample(f"sentence {id_} of {files[0].name} has no text")
                    continue
                row = {"id": id_, "image": image, "phrase": str(phrase)}
                yield {**row, "truth": box, "split": str(each["split"])}

        yield from read_each(found, files[0], read, "reference")


def _keep(found: Iterable[Any], into: Kept, names: tuple[str, ...]) -> None:
    """What entries have under these names; one that lacks some is told of where a reference needs it."""
    for each in found:
        if isinstance(each, dict) and {"id", *names} <= {*each}:
            into.put(each["id"], [each[name] for name in names])


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
