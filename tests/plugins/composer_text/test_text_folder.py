"""The folder of a tokenizer: found by its name, and its tokenizer_config.json says what the special tokens are for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from composer_text.configs import TextConfig
from composer_text.modality import TEXT
from composer_text.processor import TextProcessor
from composer_text.prompt_config import TemplateConfig
from composer_text.prompt_processor import PromptProcessor
from pydantic import ValidationError
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

MARKS = ("<|endoftext|>", "<|begin|>", "<|over|>", "<pad>")
NAMED = {"bos_token": {"content": "<|begin|>"}, "eos_token": "<|over|>", "pad_token": "<|over|>"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    words = {word: number for number, word in enumerate((*MARKS, "one", "two"))}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="one"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens([AddedToken(mark) for mark in MARKS])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def special_of(config: TextConfig) -> tuple[Any, ...]:
    assert TEXT.vocabulary is not None
    ids = TEXT.vocabulary(config)["tokens"]
    special = TextProcessor(config).tokenizer.special
    assert (ids.start, ids.end, ids.pad) == (special.start, special.end, special.padding)
    return ids.start, ids.end, ids.pad


def test_the_config_beside_the_file_names_its_special_tokens(folder: Path) -> None:
    assert special_of(TextConfig(tokenizer=str(folder))) == (None, 0, 3)  # by what they are called
    (folder / "tokenizer_config.json").write_text(json.dumps(NAMED))
    for name in (folder, folder / "tokenizer.json"):
        config = TextConfig(tokenizer=str(name))
        assert special_of(config) == (1, 2, 2)
        assert TextConfig.model_validate_json(config.model_dump_json()) == config
    assert special_of(TextConfig(tokenizer=str(folder), special={"end": 0})) == (None, 0, 3)


def test_a_config_holds_what_it_read(folder: Path) -> None:
    """As an artifact does, which carries the file alone."""
    (folder / "tokenizer_config.json").write_text(json.dumps(NAMED))
    written = TextConfig(tokenizer=str(folder)).model_dump_json()
    (folder / "tokenizer_config.json").unlink()
    assert special_of(TextConfig.model_validate_json(written)) == (1, 2, 2)


def test_a_prompt_takes_the_chat_template_beside_its_tokenizer(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("<|begin|> {{ messages[0].content }} <|over|>")
    config = TemplateConfig(tokenizer=str(folder), template="{text}", chat=True)
    assert PromptProcessor(config).encode(["two"])["tokens"].ids.tolist() == [[1, 5, 2]]
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ValidationError, match="holds no chat template"):
        TemplateConfig(tokenizer=str(folder), template="{text}", chat=True)
    assert TemplateConfig(tokenizer=str(folder), template="{text}", chat=False).chat is None


@pytest.mark.parametrize(
    ("content", "message"),
    [("[]", "is not the config of a tokenizer"), ("{", "is not valid JSON"), (b"\xff", "is not UTF-8 text")],
)
def test_a_config_that_cannot_be_read_is_told(folder: Path, content: str | bytes, message: str) -> None:
    path = folder / "tokenizer_config.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValidationError, match=message):
        TextConfig(tokenizer=str(folder))


def test_a_folder_without_a_tokenizer_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"is a folder without a tokenizer.json"):
        TextConfig(tokenizer=str(tmp_path))
    with pytest.raises(ValidationError, match="special tokens are said of `start`, `end` and `pad`"):
        TextConfig(tokenizer="bert-uncased", special={"unknown": 1})
