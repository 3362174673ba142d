"""Words and decoded texts against statements of the published rules that share nothing with the tokenizer."""

from __future__ import annotations

import random
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest
from composer_text.tokenizer import WordPieceTokenizer
from composer_text.vocabulary import find_vocabulary, vocabulary_path
from composer_text.words import PIECE, split_words
from memory import PEAK

from composer.execution import text_pieces
from composer.plugin import Framing
from composer.problems import InputError


def is_chinese(code: int) -> bool:
    return (
        0x4E00 <= code <= 0x9FFF
        or 0x3400 <= code <= 0x4DBF
        or 0x20000 <= code <= 0x2A6DF
        or 0x2A700 <= code <= 0x2B73F
        or 0x2B740 <= code <= 0x2B81F
        or 0x2B820 <= code <= 0x2CEAF
        or 0xF900 <= code <= 0xFAFF
        or 0x2F800 <= code <= 0x2FA1F
    )


def is_mark(character: str) -> bool:
    code = ord(character)
    ascii_mark = 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
    return ascii_mark or unicodedata.category(character).startswith("P")


def published_words(text: str) -> list[str]:
    """BERT's `BasicTokenizer`, character by character."""
    kept = []
    for character in text:
        category = unicodedata.category(character)
        if character in " \t\n\r" or category == "Zs":
            kept.append(" ")
        elif ord(character) not in (0, 0xFFFD) and not category.startswith("C"):
            kept.append(f" {character} " if is_chinese(ord(character)) else character)
    found: list[str] = []
    for token in "".join(kept).strip().split():
        plain = unicodedata.normalize("NFD", token.lower())
        word = ""
        for character in plain:
            if unicodedata.category(character) == "Mn":
                continue
            if is_mark(character):
                found += [word, character]
                word = ""
            else:
                word += character
        found.append(word)
    return " ".join(found).split()


def characters() -> Iterator[str]:
    """Every character that has a meaning, and some of those that have none yet."""
    for code in range(0x110000):
        category = unicodedata.category(chr(code))
        if category == "Cs" or (category in ("Cn", "Co") and code % 509):
            continue
        if category == "Lo" and code > 0x3500 and code % 13:
            continue  # syllables and ideographs by the ten thousand
        yield chr(code)


CONTEXTS: dict[str, Callable[[str], str]] = {
    "alone": lambda character: character,
    "between letters": lambda character: f"a{character}b",
    "at the end": lambda character: f"Α{character}",
    "after a capital, before a mark": lambda character: f"Α{character}.Β",
    "before a sigma": lambda character: f"Α{character}Σ",
    "behind a sigma": lambda character: f"ΑΣ{character}",
    "between a sigma and a letter": lambda character: f"ΑΣ{character}Β",
}


@pytest.mark.parametrize("context", CONTEXTS)
def test_all_of_unicode_is_split_as_published(context: str) -> None:
    place = CONTEXTS[context]
    wrong = [
        hex(ord(each))
        for each in characters()
        if list(split_words(place(each))) != published_words(place(each))
    ]
    assert not wrong


def test_random_texts_are_split_as_published() -> None:
    rng = random.Random(0)
    alphabet = [
        *"aB .,'-ΣσςΑÉİßǅ\u0301\u00ad\u200d\u2028\u3000中ﬁ$€\t\n\0",
        *islice(characters(), 0, None, 997),
    ]
    for _ in range(3000):
        text = "".join(rng.choices(alphabet, k=rng.randint(0, 30)))
        assert list(split_words(text)) == published_words(text), repr(text)


def test_a_sigma_that_ends_a_word_has_its_final_form() -> None:
    tokenizer = WordPieceTokenizer("bert-uncased")
    for capital, small in (
        ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
        ("ΑΣ ΒΣ", "ας βς"),
        ("ΑΣ.Β", "ασ.β"),
        ("Σ", "σ"),
        ("ΑΣ[SEP]Β", "ας[SEP]β"),
    ):
        assert tokenizer.encode([capital]).ids.tolist() == tokenizer.encode([small]).ids.tolist()
    assert tokenizer.encode(["ΑΣ"]).ids.tolist() != tokenizer.encode(["ασ"]).ids.tolist()


def test_what_plain_text_is_read_as_is_what_the_library_reads() -> None:
    """Where capital sigmas, and characters younger than Python's tables, do not come in."""
    from tokenizers import AddedToken
    from tokenizers import Tokenizer as Library
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    model = WordPiece(find_vocabulary("bert-uncased"), unk_token="[UNK]", max_input_chars_per_word=100)
    library = Library(model)
    library.normalizer, library.pre_tokenizer = BertNormalizer(lowercase=True), BertPreTokenizer()
    library.add_special_tokens(
        [AddedToken(each, special=True) for each in ("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]")]
    )
    tokenizer = WordPieceTokenizer("bert-uncased", separator=False)
    rng = random.Random(0)
    alphabet = (
        [chr(code) for code in range(0x250)]
        + list("中文かなабвгд…“”—🙂")
        + ["[SEP]", "[MASK]", " the ", "ing"]
    )
    for _ in range(2000):
        text = "".join(rng.choices(alphabet, k=rng.randint(0, 40)))
        assert (
            tokenizer.encode([text]).ids[0, 1:].tolist() == library.encode(text, add_special_tokens=False).ids
        ), repr(text)


def test_a_word_beyond_all_measure_is_unknown() -> None:
    tokenizer = WordPieceTokenizer("bert-uncased", separator=False)
    for length, unknown in ((100, False), (101, True), (5000, True)):
        ids = tokenizer.encode(["a" * length]).ids[0, 1:].tolist()
        assert (ids == [100]) is unknown


def test_a_long_text_is_read_alike_in_pieces() -> None:
    rng = random.Random(0)
    words = ["what", "ΟΔΥΣΣΕΥΣ", "is,", "[SEP]", "naïve", "中文", "x" * 120, "don't\n", "\t"]
    text = " ".join(rng.choices(words, k=PIECE // 2))
    assert len(text) > 3 * PIECE
    tokenizer = WordPieceTokenizer("bert-uncased", separator=False)
    whole = tokenizer.encode([text]).ids[0].tolist()
    step, parts = len(words) * 40, text.split(" ")
    again = [101]
    for start in range(0, len(parts), step):
        again += tokenizer.encode([" ".join(parts[start : start + step])]).ids[0, 1:].tolist()
    assert whole == again
    for most in (5, 512, 4000):
        assert (
            WordPieceTokenizer("bert-uncased", separator=False, max_tokens=most)
            .encode([text])
            .ids[0]
            .tolist()
            == whole[:most]
        )


CODE = (
    PEAK
    + """
from composer_text.configs import TextConfig
from composer_text.processor import TextProcessor

for clean in ("none", "question"):
    for words in (None, 50):
        read = TextProcessor(TextConfig(tokenizer="bert-uncased", clean=clean, max_words=words))
        read.encode(["a man"])
        for text in ("a man is playing guitar " * 420_000, "x" * 10_000_000, "[SEP]" * 2_000_000, "Σ" * 5_000_000):
            before = peak()
            tokens = read.encode([text])["tokens"]
            assert tokens.ids.shape[1] <= 512
            print(peak() - before)
"""
)


def test_a_text_of_ten_megabytes_is_cut_before_it_is_split() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    grown = [int(line) for line in done.stdout.split()]
    assert len(grown) == 16
    assert max(grown) < 200 * 1024


def test_a_text_far_beyond_the_limit_is_refused_without_counting_it_all() -> None:
    tokenizer = WordPieceTokenizer("bert-uncased", max_tokens=8, on_overflow="error")
    with pytest.raises(InputError, match=r"has 12 tokens and 8 are allowed"):
        tokenizer.encode(["why " * 10])
    with pytest.raises(InputError, match=r"has more than \d+ tokens and 8 are allowed"):
        tokenizer.encode(["why " * 50_000])


def published_text(ids: list[int], words: dict[int, str]) -> str:
    """What the published scripts print of ids: the tokenizer's `decode`, then three words taken out."""
    text = " ".join(words.get(id, "[UNK]") for id in ids)
    text = text.replace(" ##", "").strip()
    for apart, joined in (
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ):
        text = text.replace(apart, joined)
    return text.replace("[SEP]", "").replace("[CLS]", "").replace("[PAD]", "").strip()


@pytest.fixture(scope="module")
def words() -> dict[int, str]:
    lines = Path(vocabulary_path("bert-uncased")).read_text(encoding="utf-8").splitlines()
    return dict(enumerate(lines))


EDGES = (*".?!,'", "n", "t", "s", "m", "ve", "re", "##s", "##placed", "do", "it", "-")


def random_ids(rng: random.Random, edges: list[int]) -> list[int]:
    """A sequence with many of the tokens at which the rule has edges."""
    kinds = rng.choices(("edge", "special", "any"), weights=(5, 2, 3), k=rng.randint(0, 12))
    special = [0, 100, 101, 102, 103, 1_000_000]
    of = {"edge": edges, "special": special, "any": range(30_522)}
    return [rng.choice(of[kind]) for kind in kinds]


@pytest.fixture(scope="module")
def edges(words: dict[int, str]) -> list[int]:
    return [id for id, word in words.items() if word in EDGES]


def test_texts_are_decoded_as_published(words: dict[int, str], edges: list[int]) -> None:
    tokenizer = WordPieceTokenizer("bert-uncased")
    rng = random.Random(0)
    for _ in range(4000):
        ids = random_ids(rng, edges)
        for framed in (ids, [101, *ids], [101, *ids, 102], [101, *ids, 102, 0, 0]):
            assert tokenizer.decode(framed) == published_text(framed, words), framed


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ([101, 22829, 22193, 12660, 8401, 102], "placed jolly innocence harsh"),
        ([22829, 22193], "##placed jolly"),
        ([101, 2158, 102, 3899, 102], "man  dog"),
        ([101, 2158, 102, 2015, 102], "man s"),
        ([101, 2158, 102, 0, 2015, 102], "man  s"),
        ([101, 1021, 1005, 102], "7'"),
        ([101, 1021, 1005], "7 '"),
        ([101, 102, 0], ""),
        ([], ""),
        ([101, 103, 100, 9_999_999, 102], "[MASK] [UNK] [UNK]"),
    ],
)
def test_edges_of_decoding(words: dict[int, str], ids: list[int], text: str) -> None:
    assert published_text(ids, words) == text
    assert WordPieceTokenizer("bert-uncased").decode(ids) == text


def test_the_pieces_of_a_stream_are_the_whole_text(words: dict[int, str], edges: list[int]) -> None:
    tokenizer = WordPieceTokenizer("bert-uncased")
    rng = random.Random(1)
    for _ in range(2000):
        ids = random_ids(rng, edges)
        for most, tail in ((len(ids), []), (len(ids) + 1, [102])):
            framing = Framing(start=101, ends=(102,), pad=0, min_tokens=0, max_tokens=most)
            pieces = list(text_pieces(iter(ids), tokenizer, framing))
            assert "".join(pieces) == published_text([101, *ids, *tail], words), ids
            assert "" not in pieces
