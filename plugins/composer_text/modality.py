"""The text modality: strings become tokens."""

from __future__ import annotations

from pathlib import Path

from composer.plugin import Modality
from composer.types import UNBOUNDED, VocabularyIds
from composer_text.configs import TextConfig
from composer_text.vocabulary import vocabulary_ids, vocabulary_path

__all__ = ["TEXT"]


def _ports(config: TextConfig) -> dict[str, str]:
    return {"tokens": "tokens[B, L]"}


def _refuses(config: TextConfig, value: object) -> str:
    return "" if isinstance(value, str) else "a text is expected"


def _files(config: TextConfig) -> dict[str, Path]:
    return {"tokenizer": vocabulary_path(config.tokenizer)}


def _ranges(config: TextConfig) -> dict[str, tuple[int, int]]:
    return {"L": (1, UNBOUNDED if config.max_tokens is None else config.max_tokens)}


def _vocabulary(config: TextConfig) -> dict[str, VocabularyIds]:
    return {"tokens": vocabulary_ids(config.tokenizer, config.special)}


TEXT = Modality(
    "text",
    TextConfig,
    _ports,
    "composer_text.processor:TextProcessor",
    "A string, split into WordPiece tokens.",
    files=_files,
    ranges=_ranges,
    limit="max_tokens",
    counted="tokens",
    vocabulary=_vocabulary,
    reads={"text": "text[B]"},
    refuses=_refuses,
    light_processor=True,
    examples=({"tokenizer": "bert-uncased"},),
    sample="composer_text.processor:sample",
)
