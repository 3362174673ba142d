"""BERT WordPiece, exact to the published lower-casing tokenizer, over any vocabulary file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer as Pipeline
from tokenizers.models import WordPiece

from composer.problems import InputError
from composer.types import Tokens
from composer_text.origin import AUTHOR, USER, Part, ReadPart
from composer_text.rows import check_batch, check_text, named, padded_rows, too_long
from composer_text.vocabulary import SPECIAL_TOKENS, SpecialIds, find_vocabulary
from composer_text.words import pieces, split_words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["WordPieceTokenizer"]

UNKNOWN = "[UNK]"

# Longer words are unknown, as in the published tokenizer.
LONGEST_WORD = 100

SPECIAL = re.compile("|".join(map(re.escape, SPECIAL_TOKENS)))

WORDS_AT_ONCE = 1024

MOST_COUNTED = 10_000
"""Tokens beyond the limit that are still counted for the message that a text is too long."""

FRAMING = ("[SEP]", "[CLS]", "[PAD]")
"""What is taken out of a decoded text, in this order."""

# What decoding joins again: punctuation and English contractions that splitting had set apart.
JOINED = {
    " .": ".",
    " ?": "?",
    " !": "!",
    " ,": ",",
    " ' ": "'",
    " n't": "n't",
    " 'm": "'m",
    " 's": "'s",
    " 've": "'ve",
    " 're": "'re",
}


class WordPieceTokenizer:
    """Texts to ids and back, by a packaged vocabulary (`bert-uncased`) or the path of a file.

    `special` holds the ids of the special tokens, looked up by name in the vocabulary, wherever they stand in
    it; a special token that is written out in a text ("[SEP]") is read as that token, but where a user typed it.
    """

    def __init__(
        self,
        vocabulary: str | Path,
        *,
        separator: bool = True,
        max_tokens: int | None = None,
        on_overflow: str = "truncate",
    ) -> None:
        entries = find_vocabulary(str(vocabulary))
        self.special = SpecialIds(*(entries[token] for token in SPECIAL_TOKENS))
        self.separator = separator
        self.max_tokens = max_tokens
        self.on_overflow = on_overflow
        self._words = {index: token for token, index in entries.items()}
        self._size = max(self._words) + 1
        self._special_ids = {token: entries[token] for token in SPECIAL_TOKENS}
        self._pipeline = Pipeline(
            WordPiece(entries, unk_token=UNKNOWN, max_input_chars_per_word=LONGEST_WORD)
        )

    @property
    def size(self) -> int:
        """Number of ids: the smallest vocabulary size that a model must have."""
        return self._size

    @property
    def frame(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What opens and closes a text."""
        return (self.special.start,), (self.special.end,)

    def special_id(self, token: str) -> int:
        """The id of a special token. Raises InputError where it is none."""
        if token not in self._special_ids:
            raise InputError(f"{token!r:.80} is not a special token; there are {', '.join(SPECIAL_TOKENS)}")
        return self._special_ids[token]

    def read(self, parts: Sequence[Part]) -> ReadPart:
        """Pieces of one text, each by itself; special tokens are read in what the author wrote."""
        found = ReadPart([], [])
        for part in parts:
            ids = list(self._ids(part.text, (0, len(part.text)) if part.typed else None))
            found.ids.extend(ids)
            found.origins.extend([USER if part.typed else AUTHOR] * len(ids))
        return found

    def encode(self, texts: Sequence[str], typed: Sequence[tuple[int, int]] | None = None) -> Tokens:
        """Ids and mask, int64 arrays [B, L], padded to the longest text of the batch.

        `typed` says from where to where a user typed each text: nothing in there is read as a special token. Raises
        InputError for an empty batch, for what is not a text, and for a text beyond the limit where that is an error.
        """
        check_batch(texts)
        spans = typed if typed is not None else [None] * len(texts)
        rows = [
            self._row(named(index, len(texts)), text, span)
            for index, (text, span) in enumerate(zip(texts, spans, strict=True))
        ]
        return padded_rows(rows, self.special.padding)

    @property
    def unknown(self) -> int | None:
        """The id of a word that the vocabulary cannot spell."""
        return self.special.unknown

    def spell(self, text: str) -> list[int]:
        """The ids of a text, without [CLS] and [SEP]. Raises InputError where it has no words, or one is unknown."""
        check_text("the text", text)
        ids = list(self._ids(text))
        if not ids:
            raise InputError(f"{text!r} holds no word of the vocabulary")
        if self.special.unknown in ids:
            known = [word for word in text.split() if self.special.unknown in self._ids(word)]
            raise InputError(f"the vocabulary cannot spell {known[0] if known else text!r}")
        return ids

    def _row(self, name: str, text: str, typed: tuple[int, int] | None = None) -> list[int]:
        """The ids of one text: [CLS], its tokens, and [SEP] where there is a separator."""
        check_text(name, text)
        tail = [self.special.end] if self.separator else []
        if self.max_tokens is None:
            return [self.special.start, *self._ids(text, typed), *tail]
        room = self.max_tokens - 1 - len(tail)
        # What does not fit is not even split: a text may be very long.
        counted = room + (MOST_COUNTED if self.on_overflow == "error" else 0)
        body = list(islice(self._ids(text, typed), counted + 1))
        if len(body) > room and self.on_overflow == "error":
            count = 1 + len(body) + len(tail)
            found = f"{count}" if len(body) <= counted else f"more than {count - 1}"
            raise too_long(name, found, self.max_tokens)
        return [self.special.start, *body[:room], *tail]

    def _ids(self, text: str, typed: tuple[int, int] | None = None) -> Iterator[int]:
        """The ids of a text as they come; a special token that is written out where no user typed is that token."""
        place = 0
        first, last = typed or (0, 0)
        written = (
            s for s in SPECIAL.finditer(text) if first >= last or s.end() <= first or last <= s.start()
        )
        for special in chain(written, [None]):
            for piece in pieces(text, place, special.start() if special else len(text)):
                words = (word[: LONGEST_WORD + 1] for word in split_words(piece))
                while some := list(islice(words, WORDS_AT_ONCE)):
                    yield from self._pipeline.encode(some, is_pretokenized=True, add_special_tokens=False).ids
            if special:
                yield self._special_ids[special[0]]
                place = special.end()

    def decode(self, ids: Iterable[int] | NDArray[np.int64], *, skip_special: bool = True) -> str:
        """The text of one sequence, as the published system writes it, gaps included.

        Word pieces join what is before them, then spaces before marks go, and then, with `skip_special`, [SEP], [CLS]
        and [PAD] are taken out, which leaves the spaces around them; both ends are bare. [UNK] and [MASK] stand for
        words and stay. An id that the vocabulary does not hold (a model may have more) reads as [UNK].
        """
        words = [self._words.get(int(id), UNKNOWN) for id in ids]
        text = " ".join(words).replace(" ##", "").strip()
        for apart, joined in JOINED.items():
            text = text.replace(apart, joined)
        if skip_special:
            for token in FRAMING:
                text = text.replace(token, "")
            text = text.strip()
        return text
