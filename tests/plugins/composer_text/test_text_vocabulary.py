"""Finding vocabularies, and what is said of files that are none."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from composer_text.vocabulary import (
    packaged_vocabularies,
    read_vocabulary,
    special_ids,
    vocabulary_ids,
    vocabulary_path,
)

from composer.problems import InputError


def test_the_packaged_vocabulary_is_berts() -> None:
    assert "bert-uncased" in packaged_vocabularies()
    content = vocabulary_path("bert-uncased").read_bytes()
    # SHA-256 of the published bert-base-uncased vocab.txt.
    assert (
        hashlib.sha256(content).hexdigest()
        == "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
    )
    assert special_ids("bert-uncased") == (101, 102, 0, 100, 103)


def test_a_packaged_name_wins_over_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bert-uncased").write_text("[PAD]")
    monkeypatch.chdir(tmp_path)
    assert vocabulary_path("bert-uncased").parent.name == "vocabularies"


def test_a_relative_file_is_found_beside_the_document(vocabulary: Path) -> None:
    assert vocabulary_path(vocabulary.name, directory=vocabulary.parent) == vocabulary
    assert special_ids(str(vocabulary)).start == 101


def test_an_unknown_name_lists_what_exists() -> None:
    with pytest.raises(
        ValueError, match=r"'bert-uncase'.*did you mean 'bert-uncased'.*packaged are .*bert-uncased"
    ):
        vocabulary_path("bert-uncase")
    with pytest.raises(ValueError, match="no tokenizer is called ''"):
        vocabulary_path("")


def test_windows_lines_and_doubles_are_read_as_bert_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_bytes(b"[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\ncat\r\ndog\r\ncat\r\n")
    assert read_vocabulary(path)["cat"] == 7
    assert read_vocabulary(path)["[SEP]"] == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"lacks the special tokens \[CLS\], \[SEP\], \[PAD\], \[UNK\], \[MASK\]"),
        (b"[CLS]\n[PAD]\n[UNK]\n[MASK]\n", r"lacks the special tokens \[SEP\]: add each"),
        (b"[CLS]\n\xff\xfe\n", "is not UTF-8 text"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_vocabulary(path)
    assert str(path) in str(caught.value)


def test_a_vanished_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.txt cannot be read"):
        read_vocabulary(tmp_path / "gone.txt")


def test_a_mark_before_the_text_is_no_part_of_the_first_word(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ncat\n", encoding="utf-8-sig")
    assert read_vocabulary(path)["[PAD]"] == 0
    found = vocabulary_ids(str(path))
    assert (found.size, found.start, found.end, found.pad) == (6, 2, 3, 0)
