"""The text modality as a document uses it: config in, arrays out."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from composer_text.configs import TextConfig
from composer_text.processor import TextProcessor
from pydantic import ValidationError

from composer.plugin import load_registry
from composer.problems import InputError

MODALITY = load_registry(only=["text"]).modalities["text"]


def processor(**config: Any) -> Any:
    module, name = MODALITY.processor.split(":")
    return getattr(importlib.import_module(module), name)(MODALITY.config.model_validate(config))


def test_the_port_is_tokens() -> None:
    config = MODALITY.config.model_validate({"tokenizer": "bert-uncased"})
    assert MODALITY.ports(config) == {"tokens": "tokens[B, L]"}
    assert MODALITY.host is None
    assert MODALITY.prepare is None


def test_a_question_is_cleaned_cut_and_split(vocabulary: Path) -> None:
    read = processor(tokenizer=str(vocabulary), clean="question", max_words=3, separator=False)
    tokens = read.encode(["What is the man?", "WHO?"])["tokens"]
    assert tokens.ids.tolist() == [[101, 7, 5, 6], [101, 8, 0, 0]]
    assert tokens.mask.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]


def test_prefix_and_suffix_stand_without_a_space(vocabulary: Path) -> None:
    # As published: "a video of" + "a man is" + "[SEP]" reads "ofa".
    read = processor(
        tokenizer=str(vocabulary), clean="caption", prefix="a video of", suffix="[SEP]", separator=False
    )
    assert read.encode(["A man is!"])["tokens"].ids.tolist() == [[101, 1, 2, 3, 12, 4, 5, 102]]


def test_a_long_caption_loses_its_suffix(vocabulary: Path) -> None:
    read = processor(tokenizer=str(vocabulary), suffix="[SEP]", separator=False, max_tokens=4)
    assert read.encode(["a man is playing"])["tokens"].ids.tolist() == [[101, 1, 4, 5]]


def test_an_empty_question_is_the_start_token(vocabulary: Path) -> None:
    tokens = processor(tokenizer=str(vocabulary), separator=False).encode([""])["tokens"]
    assert tokens.ids.tolist() == [[101]]
    assert tokens.mask.tolist() == [[1]]


def test_a_question_beyond_all_limits_is_cut_at_512_tokens() -> None:
    tokens = processor(tokenizer="bert-uncased").encode(["why " * 3000])["tokens"]
    assert tokens.ids.shape == (1, 512)
    assert tokens.ids[0, -1] == 102


@pytest.mark.parametrize("values", [[], "one", [b"bytes"], [3]])
def test_what_is_no_list_of_texts_is_refused(vocabulary: Path, values: Any) -> None:
    for clean in ("none", "question"):
        with pytest.raises(InputError):
            processor(tokenizer=str(vocabulary), clean=clean).encode(values)


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({}, "tokenizer"),
        ({"tokenizer": "bert-cased"}, "tokenizer"),
        ({"tokenizer": "bert-uncased", "max_tokens": 1}, "max_tokens"),
        ({"tokenizer": "bert-uncased", "max_tokens": "50"}, "max_tokens"),
        ({"tokenizer": "bert-uncased", "max_words": 0}, "max_words"),
        ({"tokenizer": "bert-uncased", "clean": "strip"}, "clean"),
        ({"tokenizer": "bert-uncased", "separater": False}, "separater"),
    ],
)
def test_a_wrong_config_names_its_key(config: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as caught:
        MODALITY.config.model_validate(config)
    assert [error["loc"] for error in caught.value.errors()] == [(place,)]


def test_a_file_that_is_no_vocabulary_is_found_when_the_config_is_checked(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("milk\nbread\n")
    with pytest.raises(ValidationError, match=r"notes\.txt lacks the special tokens"):
        MODALITY.config.model_validate({"tokenizer": str(tmp_path / "notes.txt")})


def test_a_vocabulary_that_vanished_since_is_named(vocabulary: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.txt"
    copy.write_bytes(vocabulary.read_bytes())
    config = TextConfig.model_validate({"tokenizer": str(copy)})
    copy.unlink()
    with pytest.raises(InputError, match=r"copy\.txt"):
        TextProcessor(config)


def test_a_vocabulary_beside_the_document_is_found(vocabulary: Path) -> None:
    context = {"folders": {"tokenizer": vocabulary.parent}}
    config = MODALITY.config.model_validate({"tokenizer": vocabulary.name}, context=context)
    assert config.model_dump()["tokenizer"] == str(vocabulary)
