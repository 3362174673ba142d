"""The tokenizer that a `tokenizer.json` describes, run by the tokenizers library."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tokenizers import Tokenizer as Pipeline

from composer.problems import InputError, nearest
from composer.types import Tokens
from composer_text.origin import AUTHOR, USER, Part, ReadPart, is_mark, pattern_of, split_specials
from composer_text.rows import check_batch, check_text, named, padded_rows, too_long
from composer_text.tokenizer_file import read_tokenizer_file
from composer_text.typed_text import bare, without_marks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FileTokenizer"]


class FoundIds(NamedTuple):
    """The special ids that the file has; None where it has no such token."""

    start: int | None
    end: int | None
    padding: int | None


class FileTokenizer:
    """Texts to ids and back, as the file says. What a text spells is never one of the file's special tokens."""

    def __init__(
        self,
        path: Path,
        *,
        special: Mapping[str, int] | None = None,
        separator: bool = True,
        max_tokens: int | None = None,
        on_overflow: str = "truncate",
    ) -> None:
        try:
            found = read_tokenizer_file(path)
            self._pipeline = bare(Pipeline.from_str(path.read_text("utf-8")))  # it opens names in UTF-8 alone
        except ValueError as error:
            raise InputError(str(error)) from error
        except Exception as error:  # the library raises bare exceptions for what it does not know
            raise InputError(
                f"tokenizer file {path} is not one that the tokenizers library reads: {error}"
            ) from error
        self._marks = _marks(
            self._pipeline, (*found.before, *found.behind, found.start, found.end, found.pad, found.mask)
        )
        self._plain = without_marks(self._pipeline, path, self._marks)
        self._pattern = pattern_of(self._marks)
        named = {"start": found.start, "end": found.end, "pad": found.pad, **(special or {})}
        self.special = FoundIds(named["start"], named["end"], named["pad"])
        self.size = found.size
        self._head = found.before
        self._tail = found.behind if separator else ()
        framing = len(self._head) + len(self._tail)
        if max_tokens is not None and framing > max_tokens:
            raise InputError(
                f"`max_tokens` is {max_tokens}, and {path} puts {framing} tokens around every text: raise it"
            )
        self.max_tokens = max_tokens
        self.on_overflow = on_overflow

    @property
    def frame(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What opens and closes a text."""
        return self._head, self._tail

    def special_id(self, token: str) -> int:
        """The id of a special token. Raises InputError where it is none."""
        if token not in self._marks:
            near = nearest(token, list(self._marks))
            raise InputError(
                f"{token!r:.80} is not a special token" + (f"; did you mean {near!r}?" if near else "")
            )
        return self._marks[token]

    def read(self, parts: Sequence[Part]) -> ReadPart:
        """Pieces of one text, split together; special tokens are read in what the author wrote, and only there."""
        found = ReadPart([], [])
        for piece in split_specials(parts, self._pattern):
            if isinstance(piece, str):
                found.ids.append(self._marks[piece])
                found.origins.append(AUTHOR)
                continue
            text = "".join(part.text for part in piece)
            encoding = self._plain.encode(text, add_special_tokens=False)
            ends = list(accumulate(len(part.text) for part in piece))
            typed = [(end - len(part.text), end) for part, end in zip(piece, ends, strict=True) if part.typed]
            found.ids.extend(encoding.ids)
            found.origins.extend(
                USER if any(start < last and first < end for first, last in typed) else AUTHOR
                for start, end in encoding.offsets
            )
        return found

    def encode(self, texts: Sequence[str], typed: Sequence[tuple[int, int]] | None = None) -> Tokens:
        """Ids and mask, int64 arrays [B, L], padded to the longest text of the batch. Raises InputError.

        Nothing in them is read as a special token, whoever wrote it.
        """
        check_batch(texts)
        rows = [self._row(named(index, len(texts)), text) for index, text in enumerate(texts)]
        return padded_rows(rows, self.special.padding or 0)

    @property
    def unknown(self) -> int | None:
        """The id of what the file has no token for; None where it has one for every byte."""
        token = getattr(self._pipeline.model, "unk_token", None)
        found: int | None = None if token is None else self._pipeline.token_to_id(token)
        return found

    def spell(self, text: str) -> list[int]:
        """The ids of a text, without the tokens that the file puts around it. Raises InputError where there are none.

        Spaces count where the tokenizer says so: a word inside a sentence is then written with the space before it.
        """
        check_text("the text", text)
        ids: list[int] = self._pipeline.encode(text, add_special_tokens=False).ids
        if not ids:
            raise InputError(f"{text!r} has no tokens")
        if self.unknown in ids:
            raise InputError(f"the tokenizer cannot spell {text!r}")
        return ids

    def _row(self, name: str, text: str) -> list[int]:
        check_text(name, text)
        body = self._plain.encode(text, add_special_tokens=False).ids
        count = len(self._head) + len(body) + len(self._tail)
        if not count:
            raise InputError(f"{name} is empty, and the tokenizer puts no token around it")
        if self.max_tokens is not None and count > self.max_tokens:
            if self.on_overflow == "error":
                raise too_long(name, str(count), self.max_tokens)
            body = body[: self.max_tokens - len(self._head) - len(self._tail)]
        return [*self._head, *body, *self._tail]

    def decode(self, ids: Iterable[int] | NDArray[np.int64], *, skip_special: bool = True) -> str:
        """The text of one sequence, as the file's decoder writes it."""
        return str(self._pipeline.decode([int(id) for id in ids], skip_special_tokens=skip_special))


def _marks(pipeline: Pipeline, known: Iterable[int | None]) -> dict[str, int]:
    """The special tokens, and marks such as `<think>` that the file calls no special ones; among these `known` ids."""
    added = pipeline.get_added_tokens_decoder()
    marks = {
        token.content: index for index, token in added.items() if token.special or is_mark(token.content)
    }
    named = {pipeline.id_to_token(index): index for index in known if index is not None}
    return marks | {token: index for token, index in named.items() if token is not None and is_mark(token)}
