"""`NAME=@FILE`: the values of an input that takes a list, read from a file of texts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from composer.problems import InputError

__all__ = ["TakesList", "read_values", "with_files"]

SIGN = "@"
MAX_BYTES = 100_000_000
LONGEST_SHOWN = 60


class TakesList(Protocol):
    """What has to be known of an input."""

    @property
    def is_list(self) -> bool:
        """Whether a sample may have several values, in a list."""

    @property
    def per_sample(self) -> bool:
        """Whether each sample has a value of its own; others have a list that all samples share."""


def with_files(
    given: Iterable[tuple[str, str]], inputs: Mapping[str, TakesList]
) -> Iterator[tuple[str, str]]:
    """The values as they were given; in place of `@FILE`, where an input takes a list, those of the file in order.

    `@@` begins a value with one `@`. Raises InputError for a file that is not there or holds no such values.
    """
    for name, value in given:
        facts = inputs.get(name)
        if not value.startswith(SIGN) or facts is None or not (facts.is_list or not facts.per_sample):
            yield name, value
        elif value.startswith(SIGN * 2):
            yield name, value[1:]
        else:
            for each in read_values(Path(value[1:]), f"{name}={value}"):
                yield name, each


def read_values(path: Path, what: str) -> list[str]:
    """The texts of a file: one a line, or those of a JSON list where its name ends in .json.

    Raises InputError for a file that cannot be read, and for values that are no texts, empty or doubled.
    """
    text = _text(path, what)
    is_json = path.suffix.lower() == ".json"
    unit = "entry" if is_json else "line"
    values = _entries(text, what, path) if is_json else text.removesuffix("\n").split("\n")
    if not values or not text.strip():
        raise InputError(f"{what}: {path} is empty: write one value a line, or a JSON list into a .json")
    first: dict[str, int] = {}
    found = []
    for number, value in enumerate(values, 1):
        if not isinstance(value, str):
            raise InputError(
                f"{what}: {unit} {number} of {path} is {json.dumps(value)[:LONGEST_SHOWN]}, and no text"
            )
        own = value.strip()
        if not own:
            raise InputError(f"{what}: {unit} {number} of {path} is empty: take it out")
        if first.setdefault(own, number) != number:
            shown = own if len(own) <= LONGEST_SHOWN else f"{own[:LONGEST_SHOWN]}..."
            raise InputError(
                f"{what}: {unit} {number} of {path} says `{shown}`, as {unit} {first[own]} does: leave one out"
            )
        found.append(own)
    return found


def _text(path: Path, what: str) -> str:
    try:
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            raise InputError(f"{what}: {path} has more than {MAX_BYTES:,} bytes")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else None
        told = reason or getattr(error, "strerror", None) or error
        raise InputError(
            f"{what}: {path} cannot be read: {told} (a value that begins with @ is written @@)"
        ) from None


def _entries(text: str, what: str, path: Path) -> list[Any]:
    try:
        found = json.loads(text or "[]")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what}: {path} is not JSON: {error}") from None
    if not isinstance(found, list):
        raise InputError(f"{what}: {path} holds no JSON list")
    return found
