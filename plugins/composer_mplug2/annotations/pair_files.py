"""A sentence and pictures that it may be true of: SNLI-VE, NLVR2."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from composer_mplug2.annotations.entries import Row, Sample, lines, medium, read_each, text_of

__all__ = ["nlvr2", "snli_ve"]

RELATIONS = ("entailment", "neutral", "contradiction")


def snli_ve(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """SNLI-VE: a picture of Flickr30K, a hypothesis, a label."""

    def read(line: str) -> Iterator[Row]:
        each = json.loads(line)
        image = medium(media, f"{each['Flickr30K_ID']}.jpg", f"flickr30k-images/{each['Flickr30K_ID']}.jpg")
        row = {"id": each["pairID"], "image": image, "sentence": text_of(each, "sentence2")}
        label = each["gold_label"]
        if label not in RELATIONS:  # `-` is where most annotators do not agree
            raise ValueError(f"its class is {label!r}, and the classes are {', '.join(RELATIONS)}")
        yield {**row, "truth": label}

    return read_each(lines(files[0]), files[0], read, "line")


def nlvr2(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """NLVR2: two pictures, named by the identifier without its last part, and a sentence.

    Those of training lie in numbered folders, which the file names; those of other splits in the folder of their split.
    """

    def read(line: str) -> Iterator[Row]:
        each = json.loads(line)
        name, folder = each["identifier"].rpartition("-")[0], each.get("directory")
        part = name.partition("-")[0]
        places = [f"{part}/{folder}" if folder is not None else part]
        places += [f"images/{place}" for place in places]
        left, right = (
            medium(media, picture, *(f"{place}/{picture}" for place in places))
            for picture in (f"{name}-img{side}.png" for side in (0, 1))
        )
        row = {"id": each["identifier"], "left": left, "right": right, "sentence": text_of(each, "sentence")}
        yield {**row, **({} if each.get("label") is None else {"truth": str(each["label"])})}

    return read_each(lines(files[0]), files[0], read, "line")
