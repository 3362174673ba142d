"""BERT WordPiece, exact to the published lower-casing tokenizer, over any vocabulary file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken
from tokenizers import Tokenizer as Pipeline
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from composer.problems import InputError
from composer.types import Tokens
from composer_text.vocabulary import SPECIAL_TOKENS, SpecialIds, find_vocabulary

__all__ = ["Tokenizer"]

UNKNOWN = "[UNK]"

# Longer words are unknown, as in the published tokenizer.
LONGEST_WORD = 100

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


class Tokenizer:
    """Texts to ids and back, by a packaged vocabulary (`bert-uncased`) or the path of a file.

    `special` holds the ids of the special tokens, looked up by name in the vocabulary, wherever they stand in
    it; a special token that is written out in a text ("[SEP]") is read as that token.
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
        model = WordPiece(entries, unk_token=UNKNOWN, max_input_chars_per_word=LONGEST_WORD)
        self._pipeline = Pipeline(model)
        self._pipeline.normalizer = BertNormalizer(lowercase=True)
        self._pipeline.pre_tokenizer = BertPreTokenizer()
        self._pipeline.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])

    @property
    def size(self) -> int:
        """Number of ids: the smallest vocabulary size that a model must have."""
        return self._size

    def encode(self, texts: Sequence[str]) -> Tokens:
        """Ids and mask, int64 arrays [B, L], padded to the longest text of the batch.

        Raises InputError for an empty batch, for what is no text, and for a text beyond the limit where that
        is an error.
        """
        if isinstance(texts, str) or not len(texts):
            raise InputError(
                "a batch of texts is a list with at least one string: put a single one in brackets"
            )
        rows = [self._row(index, text) for index, text in enumerate(texts)]
        length = max(map(len, rows))
        ids = np.full((len(rows), length), self.special.padding, dtype=np.int64)
        mask = np.zeros((len(rows), length), dtype=np.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        return Tokens(ids, mask)

    def _row(self, index: int, text: str) -> list[int]:
        """The ids of one text: [CLS], its tokens, and [SEP] where there is a separator."""
        if not isinstance(text, str):
            raise InputError(f"text {index + 1} of the batch is a {type(text).__name__}; give a string")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"text {index + 1} of the batch is not valid Unicode: {error.reason}") from error
        body = self._pipeline.encode(text, add_special_tokens=False).ids
        tail = [self.special.end] if self.separator else []
        count = 1 + len(body) + len(tail)
        if self.max_tokens is not None and count > self.max_tokens:
            if self.on_overflow == "error":
                raise InputError(
                    f"text {index + 1} of the batch has {count} tokens and {self.max_tokens} are allowed: "
                    "shorten it, raise max_tokens, or set on_overflow: truncate"
                )
            body = body[: self.max_tokens - 1 - len(tail)]
        return [self.special.start, *body, *tail]

    def decode(self, ids: Iterable[int] | NDArray[np.int64], *, skip_special: bool = True) -> str:
        """The text of one sequence, with word pieces joined and the space before punctuation removed.

        `skip_special` leaves out [CLS], [SEP] and [PAD]; [UNK] and [MASK] stand for words and stay. An id
        that the vocabulary does not hold (a model may have more) reads as [UNK].
        """
        framing = (self.special.start, self.special.end, self.special.padding) if skip_special else ()
        words = [self._words.get(int(i), UNKNOWN) for i in ids if int(i) not in framing]
        text = " ".join(words).replace(" ##", "")
        for apart, joined in JOINED.items():
            text = text.replace(apart, joined)
        return text
