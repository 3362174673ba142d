"""Texts split by a `tokenizer.json`: as its own library splits them, and never into its special tokens."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from composer_text.configs import TextConfig
from composer_text.processor import TextProcessor
from composer_text.tokenizer_file import read_tokenizer_file
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
    with pytest.raises(InputError, match="the text is empty"):
        processor(path).encode([""])


def test_what_the_library_refuses_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text('{"model": {"type": "Nobody", "vocab": {"a": 0}}}')
    with pytest.raises(InputError, match="is not one that the tokenizers library reads"):
        processor(path)


LANGUAGE = len(WORDS)
SPECIALS = [("<s>", 1), ("</s>", 2), ("eng_Latn", LANGUAGE)]
FRAMES = {
    "both": processors.TemplateProcessing(single="<s> $A </s>", special_tokens=SPECIALS),
    "language behind": processors.TemplateProcessing(single="$A </s> eng_Latn", special_tokens=SPECIALS),
    "language before": processors.TemplateProcessing(single="eng_Latn $A </s>", special_tokens=SPECIALS),
    "several before": processors.TemplateProcessing(single="<s> eng_Latn <s> $A", special_tokens=SPECIALS),
    "none": processors.TemplateProcessing(single="$A", special_tokens=SPECIALS),
    "one name, several ids": processors.TemplateProcessing(
        single="[start] $A </s>",
        special_tokens=[
            {"id": "[start]", "ids": [1, LANGUAGE], "tokens": ["<s>", "eng_Latn"]},
            ("</s>", 2),
        ],
    ),
    "BERT": processors.BertProcessing(("</s>", 2), ("<s>", 1)),
    "RoBERTa": processors.RobertaProcessing(("</s>", 2), ("<s>", 1)),
    "bytes, then a template": processors.Sequence(
        [
            processors.ByteLevel(),
            processors.TemplateProcessing(single="<s> $A eng_Latn", special_tokens=SPECIALS),
        ]
    ),
}


@pytest.fixture
def framed(file: Path, frame: str) -> Path:
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.add_special_tokens(["eng_Latn"])
    tokenizer.post_processor = FRAMES[frame]
    tokenizer.save(str(file))
    return file


@pytest.mark.parametrize("frame", FRAMES)
def test_a_text_is_framed_as_the_library_frames_it(framed: Path) -> None:
    expected = Tokenizer.from_file(str(framed)).encode("a cats sat").ids
    assert processor(framed).encode(["a cats sat"])["tokens"].ids.tolist() == [expected]


@pytest.mark.parametrize(
    ("frame", "start", "end"),
    [
        ("both", 1, 2),
        ("language behind", 1, 2),
        ("language before", LANGUAGE, 2),
        ("one name, several ids", 1, 2),
        ("bytes, then a template", 1, LANGUAGE),
    ],
)
def test_start_and_end_are_found_among_several_special_tokens(framed: Path, start: int, end: int) -> None:
    special = processor(framed).tokenizer.special
    assert (special.start, special.end) == (start, end)


@pytest.mark.parametrize(
    "changes",
    [
        {"padding": {"pad_id": True}},
        {"padding": {"pad_id": 1 << 40}},
        {"post_processor": {"type": "BertProcessing", "cls": ["<s>", -1], "sep": ["</s>", 2]}},
        {"post_processor": {"type": "BertProcessing", "cls": ["<s>", 1], "sep": ["</s>", 1 << 40]}},
        {
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A"}}],
                "special_tokens": {"<s>": {"id": "<s>", "ids": [True], "tokens": ["<s>"]}},
            }
        },
    ],
)
def test_ids_of_the_frame_and_the_padding_are_held(file: Path, changes: dict[str, object]) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    with pytest.raises(ValueError, match="ids are numbers from 0 to"):
        read_tokenizer_file(file)


def test_an_id_of_the_frame_beyond_the_vocabulary_counts(file: Path) -> None:
    content = json.loads(file.read_text())
    content["post_processor"] = {"type": "BertProcessing", "cls": ["<s>", 90], "sep": ["</s>", 2]}
    file.write_text(json.dumps(content))
    assert read_tokenizer_file(file).size == 91


@pytest.mark.parametrize("frame", ["several before"])
def test_a_limit_below_the_frame_is_refused(framed: Path) -> None:
    assert processor(framed, max_tokens=3).encode(["a cats"])["tokens"].ids.tolist() == [[1, LANGUAGE, 1]]
    with pytest.raises(InputError, match=r"`max_tokens` is 2, and .* puts 3 tokens around every text"):
        processor(framed, max_tokens=2)
