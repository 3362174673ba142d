"""The host side of the text modality: raw strings to token arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from composer.problems import InputError
from composer.types import Tokens
from composer_text.cleaning import clean_caption, clean_question, cut_words
from composer_text.configs import TextConfig
from composer_text.file_tokenizer import FileTokenizer
from composer_text.rows import check_batch
from composer_text.tokenizer import WordPieceTokenizer
from composer_text.tokenizer_file import is_tokenizer_file
from composer_text.vocabulary import vocabulary_path

__all__ = ["TextProcessor", "sample", "tokenizer_of"]

CLEANERS: dict[str, Callable[[str], str]] = {
    "none": str,
    "question": clean_question,
    "caption": clean_caption,
}


class TextProcessor:
    """Cleans, frames and splits texts as a `TextConfig` says; `tokenizer` turns ids back into text."""

    def __init__(self, config: TextConfig) -> None:
        self.config = config
        self.tokenizer = tokenizer_of(config)

    def encode(self, values: Sequence[str]) -> dict[str, Tokens]:
        """`{"tokens": Tokens}` with int64 arrays [B, L]. Raises InputError for what is not a list of strings."""
        check_batch(values)
        first, last = len(self.config.prefix), len(self.config.suffix)
        texts = [self._framed(value) for value in values]
        typed = [(first, len(text) - last) if isinstance(text, str) else (0, 0) for text in texts]
        return {"tokens": self.tokenizer.encode(texts, typed=typed)}

    def _framed(self, value: str) -> str:
        """The cleaned text between prefix and suffix; what is not a string passes, for the tokenizer to name."""
        if not isinstance(value, str):
            return value
        words = cut_words(CLEANERS[self.config.clean](value), self.config.max_words)
        return f"{self.config.prefix}{words}{self.config.suffix}"


def tokenizer_of(config: TextConfig) -> WordPieceTokenizer | FileTokenizer:
    """The tokenizer of a text. Raises InputError where there is none."""
    try:
        path = vocabulary_path(config.tokenizer)
    except ValueError as error:
        raise InputError(str(error)) from error
    limits: dict[str, Any] = {
        "separator": config.separator,
        "max_tokens": config.max_tokens,
        "on_overflow": config.on_overflow,
    }
    if is_tokenizer_file(path):
        return FileTokenizer(path, special=config.special, **limits)
    return WordPieceTokenizer(config.tokenizer, **limits)


def sample(config: TextConfig) -> list[str]:
    """Two texts of unequal length, for the conformance kit."""
    return ["is there a circle?", "red"]
