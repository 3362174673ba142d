"""The tokenizer, against recorded ids and texts, and against transformers on the full vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from composer_text.tokenizer import WordPieceTokenizer
from composer_text.vocabulary import vocabulary_path

from composer.problems import InputError

TEXTS = [
    "What's the man's name? He doesn't know; they've gone.",
    "Überraschung! naïve café, 東京タワー 12,345.67$ e-mail@host.org",
    "a [SEP] b [MASK] c [sep] [UNK][PAD]",
    "tabs\tand\nnew\u00a0lines \u200b zero-width \x00 nul \ufffd",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "x" * 101 + " " + "ab" * 50,
    "🙂 emoji — dash … ellipsis “quotes”",
    "",
]


def test_ids_are_as_recorded(recorded: dict[str, Any], vocabulary: Path) -> None:
    tokenizer = WordPieceTokenizer(vocabulary, separator=False)
    short = WordPieceTokenizer(vocabulary, separator=False, max_tokens=6)
    for case in recorded["tokenizer"]["cases"]:
        assert tokenizer.encode([case["text"]]).ids.tolist() == [case["ids"]]
        assert short.encode([case["text"]]).ids.tolist() == [case["ids_trunc6"]]


def test_decoding_is_as_recorded(recorded: dict[str, Any], vocabulary: Path) -> None:
    tokenizer = WordPieceTokenizer(vocabulary)
    for case in recorded["tokenizer"]["cases"]:
        assert tokenizer.decode(case["ids"], skip_special=False) == case["decoded"]
        bare = case["decoded"].removeprefix("[CLS]").removesuffix("[SEP]").strip()
        if "[SEP]" not in bare:
            assert tokenizer.decode(np.array(case["ids"])) == bare


def test_a_batch_is_padded_as_recorded(
    recorded: dict[str, Any], recorded_arrays: dict[str, np.ndarray], vocabulary: Path
) -> None:
    tokens = WordPieceTokenizer(vocabulary, separator=False).encode(
        [c["text"] for c in recorded["tokenizer"]["cases"]]
    )
    assert tokens.ids.dtype == tokens.mask.dtype == np.int64
    np.testing.assert_array_equal(tokens.ids, recorded_arrays["tok.batch_ids"])
    np.testing.assert_array_equal(tokens.mask, recorded_arrays["tok.batch_mask"])


def test_special_tokens_are_found_by_name(tmp_path: Path) -> None:
    path = tmp_path / "odd.txt"
    path.write_text("\n".join(["cat", "[SEP]", "[UNK]", "dog", "[PAD]", "[MASK]", "[CLS]"]), encoding="utf-8")
    tokenizer = WordPieceTokenizer(path)
    tokens = tokenizer.encode(["cat dog", "fish"])
    assert tokens.ids.tolist() == [[6, 0, 3, 1], [6, 2, 1, 4]]
    assert tokens.mask.tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert tokenizer.size == 7
    assert tokenizer.decode([6, 0, 5, 1, 4, 4]) == "cat [MASK]"


def test_it_agrees_with_transformers_on_the_full_vocabulary() -> None:
    transformers = pytest.importorskip("transformers")
    path = vocabulary_path("bert-uncased")
    reference = transformers.BertTokenizer(vocab=str(path), do_lower_case=True)
    ours = WordPieceTokenizer(path)
    assert ours.size == 30522
    assert ours.special == (101, 102, 0, 100, 103)
    for text in TEXTS:
        assert ours.encode([text]).ids[0].tolist() == reference(text)["input_ids"], text


@pytest.mark.parametrize("max_tokens", [2, 3, 5])
def test_truncation_keeps_the_separator(vocabulary: Path, max_tokens: int) -> None:
    full = [101, 1, 4, 5, 11, 15, 102]
    tokenizer = WordPieceTokenizer(vocabulary, max_tokens=max_tokens)
    assert tokenizer.encode(["a man is playing guitar"]).ids.tolist() == [[*full[: max_tokens - 1], 102]]


def test_overflow_can_be_an_error(vocabulary: Path) -> None:
    tokenizer = WordPieceTokenizer(vocabulary, separator=False, max_tokens=3, on_overflow="error")
    assert tokenizer.encode(["a man"]).ids.tolist() == [[101, 1, 4]]
    with pytest.raises(
        InputError, match=r"text 2 of the batch has 4 tokens and 3 are allowed: .*on_overflow"
    ):
        tokenizer.encode(["a", "a man is"])


def test_an_id_beyond_the_vocabulary_reads_as_unknown(vocabulary: Path) -> None:
    assert WordPieceTokenizer(vocabulary).decode([101, 4, 9999, 102]) == "man [UNK]"


def test_decoding_joins_contractions() -> None:
    tokenizer = WordPieceTokenizer(vocabulary_path("bert-uncased"))
    text = "it's what we've said, they don't know!"
    assert tokenizer.decode(tokenizer.encode([text]).ids[0]) == text


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "at least one string"),
        ("a man", "at least one string"),
        (["a", 3], "text 2 of the batch is of the type int"),
        ([None], "the text is of the type NoneType"),
        (["\ud800"], "the text is not valid Unicode"),
    ],
)
def test_what_is_no_text_is_refused(vocabulary: Path, texts: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        WordPieceTokenizer(vocabulary).encode(texts)
