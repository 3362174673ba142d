"""Declarations, without implementations, for the last section of docs/language.md: what the wider family needs."""

from __future__ import annotations

from composer.plugin import (
    Config,
    GenerateOptions,
    Generation,
    Method,
    Modality,
    ModuleType,
    Register,
    Vocabulary,
    hookimpl,
)
from composer.types import Field, Kind, Signature

NOWHERE = "family:not_part_of_this_package"


class Sized(Config):
    size: int


class Crops(Sized):
    most: int
    """Crops of one page at most."""


class Dialogue(Config):
    places: int
    """Placeholders that one picture takes."""
    axes: int | None = None
    """Axes of the rotary positions, where there are several."""


class Vision(Sized):
    patch: int
    width: int


class Abstractor(Config):
    width: int
    queries: int
    output: int
    cells: bool = False
    """Whether each picture says its row and column."""


class Language(Config):
    hidden: int


class Verdict(Config):
    tag: str


def dialogue(config: Dialogue) -> dict[str, str]:
    positions = {} if config.axes is None else {"positions": f"positions[{config.axes}, B, L]"}
    return {"tokens": "tokens[B, L]", "slots": f"slots[P, {config.places}]", **positions}


def pictures(config: Sized) -> dict[str, str]:
    return {"pixels": f"pixels[P, 3, 1, {config.size}, {config.size}]", "counts": "counts[B]"}


def crops(config: Crops) -> dict[str, str]:
    return {**pictures(config), "cells": "cells[P, 2]"}


def vision(config: Vision) -> Signature:
    pixels = f"pixels[P, 3, 1, {config.size}, {config.size}]"
    return Signature(
        {"pixels": pixels}, {"states": f"states[P, {(config.size // config.patch) ** 2 + 1}, {config.width}]"}
    )


def abstractor(config: Abstractor) -> Signature:
    inputs = {
        "states": f"states[P, N, {config.width}]",
        "cells": "cells[P, 2]" if config.cells else "cells[P, 2]?",
    }
    return Signature(inputs, {"states": f"states[P, {config.queries + 1}, {config.output}]"})


def embed(config: Language) -> Signature:
    return Signature({"tokens": "tokens[B, L]"}, {"states": f"states[B, L, {config.hidden}]"})


def write(config: Language, options: GenerateOptions) -> Signature:
    inputs = {"prompt": f"states[B, L, {config.hidden}]", "positions": "positions[3, B, L]?"}
    return Signature(inputs, {"text": "text[B]", "score": "numbers[B]"})


def splice(config: Config) -> Signature:
    inputs = {"text": "states[B, L, D]", "media": "states[P, K, D]*", "slots": "slots[P, K]*"}
    return Signature(inputs, {"states": "states[B, L, D]"})


def verdict(config: Verdict) -> Signature:
    return Signature({"text": "text[B]"}, {"classes": "classes[B]"})


ENTRIES = (
    Kind(
        "slots",
        "Places in a text, for each picture.",
        ("pictures", "places"),
        {"values": Field("int64", (0, 1))},
    ),
    Kind("cells", "Row and column of each crop.", ("pictures", "axes"), {"values": Field("int64", (0, 1))}),
    Kind(
        "positions", "Rotary positions.", ("axes", "batch", "length"), {"values": Field("int64", (0, 1, 2))}
    ),
    Modality("family.dialogue", Dialogue, dialogue, NOWHERE, "Text with places for pictures."),
    Modality("family.pictures", Sized, pictures, NOWHERE, "Any number of pictures per sample."),
    Modality("family.crops", Crops, crops, NOWHERE, "A page cut into crops."),
    ModuleType("family.vision", Vision, {"forward": Method(vision)}, NOWHERE, "A vision transformer."),
    ModuleType(
        "family.abstractor", Abstractor, {"forward": Method(abstractor)}, NOWHERE, "States to queries."
    ),
    ModuleType(
        "family.language_model",
        Language,
        {"embed": Method(embed)},
        NOWHERE,
        "A decoder-only language model.",
        generation=Generation(
            write, lambda config: Vocabulary("text", {"tokenizer": "bert-uncased"}, start=101, end=102, pad=0)
        ),
    ),
    ModuleType(
        "family.splice", Config, {"forward": Method(splice)}, NOWHERE, "Media into text.", stateless=True
    ),
    ModuleType(
        "family.verdict", Verdict, {"forward": Method(verdict)}, NOWHERE, "Reads a tag.", stateless=True
    ),
)


@hookimpl
def composer_register(register: Register) -> None:
    """Register what the family's documents name."""
    register(*ENTRIES)
