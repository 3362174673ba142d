"""Batches of texts and of their ids, as every tokenizer takes and gives them.

A check makes tokenizers and no batch, so that numpy is imported where arrays are made.
"""

from __future__ import annotations

from collections.abc import Sequence

from composer.problems import InputError
from composer.types import Tokens

__all__ = ["check_batch", "check_text", "named", "padded_rows", "too_long"]


def check_batch(texts: Sequence[str]) -> None:
    """Raise InputError for what is not a batch."""
    if isinstance(texts, str) or not len(texts):
        raise InputError("a batch of texts is a list with at least one string: put a single one in brackets")


def named(index: int, count: int) -> str:
    """What messages call a text: by its number where there are several."""
    return f"text {index + 1} of the batch" if count > 1 else "the text"


def check_text(name: str, text: str) -> None:
    """Raise InputError for what is not a text."""
    if not isinstance(text, str):
        raise InputError(f"{name} is of the type {type(text).__name__}; give a string")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{name} is not valid Unicode: {error.reason}") from error


def too_long(name: str, found: str, allowed: int, *, cut: bool = True) -> InputError:
    """The error for a text of more tokens than are allowed; `cut` says that such texts could be cut."""
    cures = "raise max_tokens, or set on_overflow: truncate" if cut else "or raise max_tokens"
    return InputError(f"{name} has {found} tokens and {allowed} are allowed: shorten it, {cures}")


def padded_rows(rows: Sequence[Sequence[int]], padding: int) -> Tokens:
    """Ids and mask, int64 arrays [B, L], padded to the longest row."""
    import numpy as np

    length = max(map(len, rows))
    ids = np.full((len(rows), length), padding, dtype=np.int64)
    mask = np.zeros((len(rows), length), dtype=np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return Tokens(ids, mask)
