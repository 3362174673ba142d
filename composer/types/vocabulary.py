"""What is known of a vocabulary without loading a tokenizer: how many ids it has, and which of them are special."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["VocabularyIds"]


@dataclass(frozen=True, slots=True)
class VocabularyIds:
    """The ids that a port of tokens carries.

    `title` is what people call the vocabulary, `digest` tells it from others: two files of the same words are one
    vocabulary. `start`, `end` and `pad` are None where the vocabulary has no such token. `field` names the config
    field that chose it, so that messages can point there.
    """

    title: str
    size: int
    digest: str
    start: int | None = None
    end: int | None = None
    pad: int | None = None
    field: str = ""
    whole: bool = False
    """Whether a module that reads the ids must know exactly these: they are the classes that it scores."""
