"""The host side of the modality `string`: a text as it is, for nodes that work with texts."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence

from composer.problems import InputError
from composer_core.text_configs import StringConfig

__all__ = ["StringProcessor", "sample"]


class StringProcessor:
    """Passes texts on; refuses what is not a text, and one that is too long."""

    def __init__(self, config: StringConfig) -> None:
        self.config = config

    def encode(self, values: Sequence[str]) -> dict[str, list[str]]:
        """`{"text": texts}`, a list with one for each value."""
        most = self.config.max_characters
        for number, value in enumerate(values, 1):
            if not isinstance(value, str):
                raise InputError(f"text {number} of the batch is {reprlib.repr(value)}, not a text")
            if most is not None and len(value) > most:
                raise InputError(
                    f"text {number} of the batch has {len(value)} characters, and `max_characters` is {most}: "
                    "shorten it"
                )
        return {"text": list(values)}


def sample(config: StringConfig) -> list[str]:
    """Two texts of unequal length, for the conformance kit and the samples of artifacts."""
    most = config.max_characters
    return [text[:most] for text in ("is there a circle?", "red")]
