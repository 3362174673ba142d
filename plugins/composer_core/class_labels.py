"""The modality `label`: the class of a sample by its name, as tables of people's own data hold it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

from pydantic import Field, ValidationInfo, field_validator, model_validator
from typing_extensions import Self

from composer.plugin import Config, Modality
from composer.types import VocabularyIds
from composer_core.names import read_class_names

__all__ = ["LABEL", "LabelConfig", "LabelProcessor", "sample"]

SHOWN_NAMES = 3


class LabelConfig(Config):
    """`with` of an input of modality `label`."""

    names: list[str] | None = None
    """Names of the classes in their order: a list, or a file beside the document with one name a line. Give these, or
    `count`."""
    count: int | None = Field(default=None, ge=2, le=2**31)
    """How many classes there are, where they have numbers (from 0) and no names."""

    @field_validator("names", mode="before")
    @classmethod
    def _read_names(cls, value: object, info: ValidationInfo) -> object:
        names = read_class_names(value, info)
        if isinstance(names, list) and len(names) == 1:
            raise ValueError(f"there is one class, `{names[0]}`: a class is told from others")
        return names

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.names is None) == (self.count is None):
            raise ValueError(
                "give the `names` of the classes, or their `count` where they have numbers: one of them"
            )
        return self

    @property
    def size(self) -> int:
        """How many classes there are."""
        return self.count if self.names is None else len(self.names)  # type: ignore[return-value]


def _vocabulary(config: LabelConfig) -> dict[str, VocabularyIds]:
    if config.names is None:
        title, digest = f"{config.count} numbered classes", f"count-{config.count}"
    else:
        more = ", ..." if len(config.names) > SHOWN_NAMES else ""
        title = f"{', '.join(config.names[:SHOWN_NAMES])}{more}"
        digest = f"names-{zlib.crc32(chr(10).join(config.names).encode()):x}-{len(config.names)}"
    field = "count" if config.names is None else "names"
    return {"classes": VocabularyIds(title, config.size, digest, field=field, whole=True)}


class LabelProcessor:
    """Names of classes to their ids."""

    def __init__(self, config: LabelConfig) -> None:
        from composer.types.class_numbers import ClassNumbers

        self.config = config
        self._numbers = ClassNumbers(config.names or ())

    def encode(self, values: Sequence[Any]) -> dict[str, Any]:
        """`{"classes": int64 [B]}`. Raises InputError for what is not a class."""
        import numpy as np

        return {"classes": np.array([self._id(value) for value in values], dtype="int64")}

    def _id(self, value: object) -> int:
        from composer.problems import InputError

        if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
            value = value.item()  # a number of NumPy
        number = self._numbers.number(value)
        if number is None:
            raise InputError(self._strange(value))
        if not 0 <= number < self.config.size:
            raise InputError(
                f"class {number} is out of range: the {self.config.size} classes are numbered from 0 to "
                f"{self.config.size - 1}"
            )
        return number

    def _strange(self, value: object) -> str:
        from composer.problems import nearest

        shown = repr(value if not isinstance(value, str) or len(value) <= 60 else f"{value[:60]}...")
        if isinstance(value, float):
            return f"{shown} is not a class: a class is a whole number or a name, not a fraction"
        if isinstance(value, str) and not value.strip():
            return "there is no class: the value is empty"
        if self.config.names is None:
            last = self.config.size - 1
            return f"{shown} is not a class: the {self.config.size} classes are numbered from 0 to {last}"
        guess = nearest(value.strip(), self.config.names) if isinstance(value, str) else None
        near = next((n for n in self.config.names if n.lower() == str(value).strip().lower()), guess)
        hint = f"; did you mean `{near}`?" if near is not None else ""
        few = self.config.names[:12]
        more = f" and {len(self.config.names) - 12} more" if len(self.config.names) > 12 else ""
        return f"{shown} is not one of the {self.config.size} classes ({', '.join(few)}{more}){hint}"


def sample(config: LabelConfig) -> list[Any]:
    """The first class and the last, for the conformance kit."""
    return [0, config.size - 1] if config.names is None else [config.names[0], config.names[-1]]


LABEL = Modality(
    "label",
    LabelConfig,
    lambda config: {"classes": "classes[B]"},
    "composer_core.class_labels:LabelProcessor",
    "A class by its name or number, as a table of data holds it: the classes are named in the document.",
    vocabulary=_vocabulary,
    classes=lambda config: config.names or [str(number) for number in range(config.size)],
    counted="classes",
    examples=({"names": ["cat", "dog", "bird"]}, {"count": 5}),
    sample="composer_core.class_labels:sample",
)
