"""Finding a vocabulary and the ids of its special tokens. Needs no tokenizers library."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import NamedTuple

from composer.problems import InputError

__all__ = [
    "SpecialIds",
    "find_vocabulary",
    "packaged_vocabularies",
    "read_vocabulary",
    "special_ids",
    "vocabulary_path",
]

FOLDER = Path(__file__).parent / "vocabularies"


class SpecialIds(NamedTuple):
    """Where the special tokens stand in a vocabulary."""

    start: int
    """[CLS]: begins every sequence, and every generated one."""
    end: int
    """[SEP]: closes a sequence and ends generation."""
    padding: int
    """[PAD]: fills the rows of a batch."""
    unknown: int
    """[UNK]: a word that the vocabulary cannot spell."""
    mask: int
    """[MASK]: a word hidden on purpose."""


SPECIAL_TOKENS = ("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]")
"""Their names, in the order of `SpecialIds`."""


def packaged_vocabularies() -> tuple[str, ...]:
    """The names of the vocabularies that ship with this plugin."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.txt")))


def vocabulary_path(tokenizer: str, *, directory: Path | None = None) -> Path:
    """The vocabulary file that a `tokenizer` value names: a packaged name first, then a file.

    A relative file is looked for in `directory` (default: the working directory). Raises ValueError that
    lists the packaged names when there is neither.
    """
    names = packaged_vocabularies()
    if tokenizer in names:
        return FOLDER / f"{tokenizer}.txt"
    path = (directory or Path()) / tokenizer
    if tokenizer and path.is_file():
        return path
    near = difflib.get_close_matches(tokenizer, names, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(
        f"no tokenizer is called {tokenizer!r} and no file lies at that path; {guess}"
        f"packaged are {', '.join(names)}; or give the path of a vocabulary file with one token a line"
    )


def read_vocabulary(path: Path) -> dict[str, int]:
    """Token → id (its line, counted from 0). A token that stands twice has the later id, as in BERT's reader.

    Raises InputError for a file that is unreadable, empty or no text, or that lacks a special token.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"vocabulary {path} is not UTF-8 text: {error.reason} at byte {error.start}"
        ) from error
    except OSError as error:
        raise InputError(f"vocabulary {path} cannot be read: {error.strerror}") from error
    lines = text.removesuffix("\n").split("\n")
    vocabulary = {token: index for index, token in enumerate(lines)}
    missing = [token for token in SPECIAL_TOKENS if token not in vocabulary]
    if missing:
        raise InputError(
            f"vocabulary {path} lacks the special tokens {', '.join(missing)}: add each on a line of its own"
        )
    return vocabulary


def find_vocabulary(tokenizer: str) -> dict[str, int]:
    """The vocabulary that a `tokenizer` value names. Raises InputError where there is none."""
    try:
        path = vocabulary_path(tokenizer)
    except ValueError as error:
        raise InputError(str(error)) from error
    return read_vocabulary(path)


def special_ids(tokenizer: str) -> SpecialIds:
    """The ids of the special tokens of a `tokenizer` value, looked up by name. Raises InputError."""
    vocabulary = find_vocabulary(tokenizer)
    return SpecialIds(*(vocabulary[token] for token in SPECIAL_TOKENS))
