"""Finding a vocabulary and the ids of its special tokens. Needs no tokenizers library."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from composer.plugin import is_file
from composer.problems import InputError, nearest
from composer.types import VocabularyIds
from composer_text.tokenizer_file import is_tokenizer_file, read_tokenizer_file

__all__ = [
    "SpecialIds",
    "find_vocabulary",
    "hold_distinct",
    "lacks_words",
    "packaged_vocabularies",
    "read_vocabulary",
    "special_ids",
    "vocabulary_ids",
    "vocabulary_path",
]

FOLDER = Path(__file__).parent / "vocabularies"
BOM = b"\xef\xbb\xbf"
"""What some editors write before a text."""
LONGEST_NAME = 200
"""Of a value that is shown in a message."""


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
    if tokenizer and is_file(path):
        return path
    if tokenizer and is_file(path / "tokenizer.json"):
        return path / "tokenizer.json"
    near = nearest(tokenizer, names)
    guess = f"did you mean {near!r}? " if near is not None else ""
    name = repr(tokenizer if len(tokenizer) <= LONGEST_NAME else f"{tokenizer[:LONGEST_NAME]}...")
    found = f"{name} is a folder without a tokenizer.json" if tokenizer and _is_folder(path) else ""
    raise ValueError(
        f"{found or f'no tokenizer is called {name} and no file lies at that path'}; {guess}"
        f"packaged are {', '.join(names)}; or give the path of a tokenizer.json or a word list, one token a line"
    )


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def read_vocabulary(path: Path) -> dict[str, int]:
    """Token → id (its line, counted from 0). A token that stands twice has the later id, as in BERT's reader.

    Raises InputError for a file that is unreadable, empty or no text, or that lacks a special token.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
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


def hold_distinct(path: Path, vocabulary: dict[str, int]) -> None:
    """Raise InputError where a word stands twice: all its ids but the last would never be written or read."""
    words = path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    if len(words) == len(vocabulary):
        return
    word, count = Counter(words).most_common(1)[0]
    lines = [str(number) for number, each in enumerate(words, 1) if each == word]
    what = f"the word {word!r}" if word else "an empty word"
    raise InputError(
        f"vocabulary {path} has {what} {count} times (lines {', '.join(lines[:3])}{', ...' if count > 3 else ''}): "
        "a word stands on one line, whose number is its id"
    )


def lacks_words(tokenizer: str) -> bool:
    """Whether there are texts that a tokenizer has no tokens for. Raises ValueError, OSError."""
    path = vocabulary_path(tokenizer)
    return not is_tokenizer_file(path) or read_tokenizer_file(path).lacks_words


def vocabulary_ids(tokenizer: str, special: Mapping[str, int] | None = None) -> VocabularyIds:
    """Size and special ids of a vocabulary, read as data: fast enough for every check. Raises ValueError, OSError.

    `special` are those that somebody else says, by `start`, `end` and `pad`.
    """
    path = vocabulary_path(tokenizer)
    if is_tokenizer_file(path):
        found = read_tokenizer_file(path).ids(path.name)
        said = {"start": found.start, "end": found.end, "pad": found.pad, **(special or {})}
        return replace(found, start=said["start"], end=said["end"], pad=said["pad"])
    state = path.stat()
    return _ids(tokenizer, path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=64)
def _ids(tokenizer: str, path: Path, changed: int, size: int) -> VocabularyIds:
    content = path.read_bytes().removeprefix(BOM)
    content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in content else content
    lines = b"\n" + content.removesuffix(b"\n") + b"\n"

    def line(token: str) -> int | None:
        at = lines.rfind(f"\n{token}\n".encode())
        return None if at < 0 else lines.count(b"\n", 0, at)

    start, end, pad = (line(token) for token in SPECIAL_TOKENS[:3])
    title = tokenizer if tokenizer in packaged_vocabularies() else path.name
    digest = f"{zlib.crc32(lines):x}-{len(lines)}"
    return VocabularyIds(title, lines.count(b"\n") - 1, digest, start, end, pad, "tokenizer")
