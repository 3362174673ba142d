"""The tokenizer of a decoder: one clear error where there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from composer.execution.generation import tokenizer_for
from composer.plugin import Modality, Vocabulary, load_registry
from composer.plugin.registry import Section
from composer.problems import InputError

REGISTRY = load_registry()


def words(tokenizer: str) -> Vocabulary:
    return Vocabulary("text", {"tokenizer": tokenizer}, start=101, end=102, pad=0)


def test_a_tokenizer_that_is_not_there_is_one_line() -> None:
    with pytest.raises(InputError) as caught:
        tokenizer_for(REGISTRY, words("bert-cased"))
    message = str(caught.value)
    assert message.startswith(
        "the tokenizer of a decoder, 'bert-cased', cannot be used: no tokenizer is called"
    )
    assert "did you mean 'bert-uncased'?" in message
    assert "\n" not in message


def test_without_texts_there_is_no_tokenizer() -> None:
    modalities = Section[Modality]("modalities")
    with pytest.raises(InputError, match="needs the modality `text`"):
        tokenizer_for(replace(REGISTRY, modalities=modalities), words("bert-uncased"))
