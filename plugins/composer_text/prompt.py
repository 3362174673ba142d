"""The prompt modality: a template that is filled with what users type, with room for media."""

from __future__ import annotations

from pathlib import Path

from composer.plugin import Modality
from composer.types import UNBOUNDED, VocabularyIds
from composer_text.prompt_config import TemplateConfig
from composer_text.vocabulary import lacks_words, vocabulary_ids, vocabulary_path

__all__ = ["PROMPT"]


def _ports(config: TemplateConfig) -> dict[str, str]:
    media = {
        name: f"places[P{number or ''}, {places}, B, L]"
        for number, (name, places) in enumerate(config.media.items())
    }
    return {"tokens": "tokens[B, L]", "origins": "labels[B, L]", "positions": "labels[B, L]", **media}


def _follows(config: TemplateConfig) -> dict[str, str]:
    return {name: name for name in config.media}


def _reads(config: TemplateConfig) -> dict[str, str]:
    media = {name: f"items[B, M{number or ''}]?" for number, name in enumerate(config.media)}
    return {**dict.fromkeys(config.fields, "text[B]"), **media}


def _default(config: TemplateConfig) -> object:
    return None if config.fields else {}


def _refuses(config: TemplateConfig, value: object) -> str:
    fields = config.fields
    texts = value if isinstance(value, dict) else dict.fromkeys(fields[:1], value)
    if set(texts) != set(fields) or (len(fields) > 1 and not isinstance(value, dict)):
        return f"the template takes {', '.join(fields) or 'no text'}"
    return next(
        (f"the text {name} is expected" for name, text in texts.items() if not isinstance(text, str)), ""
    )


def _files(config: TemplateConfig) -> dict[str, Path]:
    return {"tokenizer": vocabulary_path(config.tokenizer)}


def _ranges(config: TemplateConfig) -> dict[str, tuple[int, int]]:
    return {"L": (1, UNBOUNDED if config.max_tokens is None else config.max_tokens)}


def _vocabulary(config: TemplateConfig) -> dict[str, VocabularyIds]:
    return {"tokens": vocabulary_ids(config.tokenizer, config.special)}


def _words(config: TemplateConfig) -> tuple[str, ...]:
    fields = ["filler"] if config.filler is not None else []
    if lacks_words(config.tokenizer):
        fields.append("template")
    return tuple(fields)


PROMPT = Modality(
    "prompt",
    TemplateConfig,
    _ports,
    "composer_text.prompt_processor:PromptProcessor",
    "A template filled with texts, with room for pictures, clips or sounds.",
    files=_files,
    ranges=_ranges,
    limit="max_tokens",
    counted="tokens",
    vocabulary=_vocabulary,
    follows=_follows,
    reads=_reads,
    default=_default,
    refuses=_refuses,
    light_processor=True,
    words=_words,
    examples=({"template": "[SEP] {question}", "tokenizer": "bert-uncased"},),
    sample="composer_text.prompt_processor:sample",
)
