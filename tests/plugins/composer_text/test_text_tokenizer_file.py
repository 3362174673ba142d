"""Texts split by a `tokenizer.json`: as its own library splits them, and never into its special tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from composer_text.configs import TextConfig
from composer_text.processor import TextProcessor
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from composer.problems import InputError

WORDS = ["<pad>", "<s>", "</s>", "<unk>", "a", "cat", "##s", "sat", "<", "s", ">"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small file with a frame of its own."""
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(["<pad>", "<s>", "</s>", "<unk>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    tokenizer.enable_padding(pad_id=0, pad_token="<pad>")
    tokenizer.enable_truncation(3)
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def processor(path: Path, **options: object) -> TextProcessor:
    return TextProcessor(TextConfig.model_validate({"tokenizer": str(path), **options}))


def test_texts_are_framed_padded_and_joined_as_the_file_says(file: Path) -> None:
    made = processor(file)
    tokens = made.encode(["A cats sat", "a"])["tokens"]
    assert tokens.ids.tolist() == [[1, 4, 5, 6, 7, 2], [1, 4, 2, 0, 0, 0]]
    assert tokens.mask.tolist() == [[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]]
    assert made.tokenizer.decode(tokens.ids[0]) == "a cats sat"
    assert made.tokenizer.size == len(WORDS)
    assert made.tokenizer.special[:3] == (1, 2, 0)


def test_limits_are_the_configs(file: Path) -> None:
    assert processor(file, max_tokens=4).encode(["a cats sat"])["tokens"].ids.tolist() == [[1, 4, 5, 2]]
    assert processor(file, separator=False).encode(["a"])["tokens"].ids.tolist() == [[1, 4]]
    with pytest.raises(InputError, match="has 6 tokens and 4 are allowed"):
        processor(file, max_tokens=4, on_overflow="error").encode(["a cats sat"])


@pytest.mark.parametrize("special", ["<s>", "</s>", "<pad>", "<unk>"])
def test_a_text_never_becomes_a_special_token(file: Path, special: str) -> None:
    ids = processor(file).encode([f"a{special}a"])["tokens"].ids[0]
    assert not np.isin(ids[1:-1], [0, 1, 2]).any()


def test_an_empty_text_without_a_frame_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    Tokenizer(models.WordLevel({"a": 0}, unk_token="a")).save(str(path))
    with pytest.raises(InputError, match="text 1 of the batch is empty"):
        processor(path).encode([""])


def test_what_the_library_refuses_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text('{"model": {"type": "Nobody", "vocab": {"a": 0}}}')
    with pytest.raises(InputError, match="is not one that the tokenizers library reads"):
        processor(path)
