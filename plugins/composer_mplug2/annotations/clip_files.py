"""Classes of videos and pictures: Kinetics, Something-Something v2, ImageNet-1k."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from composer.problems import InputError
from composer_mplug2.annotations.entries import (
    Row,
    Sample,
    entries,
    lines,
    medium,
    opened,
    read_each,
    table,
    text_of,
)

__all__ = ["imagenet", "kinetics", "something"]

_NUMBERED = re.compile(r"(?P<number>\d+),(?P<name>.+)")
KAGGLE = "ILSVRC/Data/CLS-LOC"
"""Where the archive that comes with the tables has the pictures."""


def kinetics(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """Kinetics: `label,youtube_id,time_start,time_end,split`; a second file names the classes, one a line.

    With it the class is a number, as a document takes it that does not name the classes.
    """
    numbers = _numbers(files[1]) if len(files) > 1 else None

    def read(each: dict[str, str]) -> Iterator[Row]:
        start, end = int(float(each["time_start"])), int(float(each["time_end"]))
        clip, label, split = (
            f"{each['youtube_id']}_{start:06}_{end:06}",
            each.get("label"),
            each.get("split") or "",
        )
        parts = [split, "val"] if split == "validate" else [split] if split else []
        folders = [label, label.replace(" ", "_")] if label else []
        folders += [f"{part}/{folder}" for part in parts for folder in folders]
        folders += parts
        names = [f"{folder}/{clip}.mp4" for folder in folders]
        row = {
            "id": clip,
            "video": medium(media, f"{clip}.mp4", *names),
            "split": split,
        }
        yield {**row, **({} if not label else {"label": label, "truth": _class_of(label, numbers)})}

    return read_each(table(files[0], ","), files[0], read, "line")


def something(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """Something-Something v2: videos with their template, and the numbers of the templates."""
    numbers = _something_classes(files[1])

    def read(each: Any) -> Iterator[Row]:
        video = str(each["id"])
        row: dict[str, object] = {"id": video, "video": medium(media, f"{video}.webm", f"{video}.mp4")}
        template = each.get("template")
        if template is not None:
            label = re.sub(r"[\[\]]", "", template)
            row |= {"label": label, "truth": _class_of(label, numbers)}
        yield row

    return read_each(entries(files[0], ""), files[0], read, "video")


def imagenet(files: Sequence[Path], media: Path) -> Iterator[Sample]:
    """ImageNet-1k: `ImageId,PredictionString`, and the synsets in the order of their numbers."""
    numbers = {line.split(" ", 1)[0]: number for number, line in enumerate(lines(files[1]))}

    def read(each: dict[str, str]) -> Iterator[Row]:
        name, synset = each["ImageId"], text_of(each, "PredictionString").split()[0]
        inside = [f"{name}.JPEG", f"{synset}/{name}.JPEG", f"val/{name}.JPEG", f"train/{synset}/{name}.JPEG"]
        places = [*inside, *(f"{KAGGLE}/{place}" for place in inside)]
        yield {
            "id": name,
            "image": medium(media, *places),
            "label": synset,
            "truth": _class_of(synset, numbers),
        }

    return read_each(table(files[0], ","), files[0], read, "line")


def _numbers(path: Path) -> dict[str, int]:
    """Classes of a file with one a line, or with `id,name`."""
    told = list(lines(path))
    numbered = [match for line in told if (match := _NUMBERED.fullmatch(line.strip()))]
    if len(numbered) < max(1, len(told) - 1):  # the first line may be a heading
        return {line.strip(): number for number, line in enumerate(told)}
    return {next(csv.reader([match["name"]]))[0].strip(): int(match["number"]) for match in numbered}


def _something_classes(path: Path) -> dict[str, int]:
    try:
        with opened(path) as file:
            return {str(label): int(number) for label, number in json.load(file).items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise InputError(f"{path} is not a map from labels to their numbers") from None


def _class_of(label: str, numbers: dict[str, int] | None) -> object:
    if numbers is None:
        return label
    if label not in numbers:
        raise ValueError(f"its class {label!r} is none of the {len(numbers):,} that are named")
    return numbers[label]
