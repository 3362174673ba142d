"""Rows to batches: of a bounded window, rows of one file and of near length together.

So a file that several rows name is read and encoded once, and little is computed on padding.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sized
from itertools import islice

from composer.execution import InputFacts
from composer.execution.same_values import value_key
from composer.rows.column_map import AskedRow

__all__ = ["WINDOW_BATCHES", "batches_of", "joined"]

WINDOW_BATCHES = 32
"""So many batches of rows are held at a time, to find rows of near length."""


def batches_of(
    rows: Iterable[AskedRow], inputs: Mapping[str, InputFacts], size: int
) -> Iterator[list[AskedRow]]:
    """Batches of at most `size` rows; the rows of one window are all given before those of the next.

    Rows with a fault are in no batch of others: they are given as they come, each window's together.
    Values that all samples of a batch share are the same in all rows of a batch.
    """
    stream = iter(rows)
    while window := list(islice(stream, size * WINDOW_BATCHES)):
        faulty = [row for row in window if row.fault is not None]
        if faulty:
            yield faulty
        yield from _batches([row for row in window if row.fault is None], inputs, size)


def _batches(rows: list[AskedRow], inputs: Mapping[str, InputFacts], size: int) -> Iterator[list[AskedRow]]:
    shared = [name for name, facts in inputs.items() if not facts.per_sample]
    varying = [name for name, facts in inputs.items() if facts.per_sample and facts.varies]
    files = [name for name, facts in inputs.items() if facts.per_sample and facts.names_files]
    groups: dict[str, list[AskedRow]] = {}
    for row in rows:
        groups.setdefault(repr([row.values[name] for name in shared]), []).append(row)
    for group in groups.values():
        ordered = _with_their_files(group, files, _length_of(varying))
        yield from (ordered[start : start + size] for start in range(0, len(ordered), size))


def _with_their_files(
    rows: list[AskedRow], files: list[str], length: Callable[[AskedRow], int]
) -> list[AskedRow]:
    """Rows by their length; those of the same files stand together, where the longest of them belongs."""
    found: dict[Hashable, list[AskedRow]] = {}
    for row in sorted(rows, key=length):
        found.setdefault(tuple(value_key(row.values[name]) for name in files), []).append(row)
    return [row for group in sorted(found.values(), key=lambda group: length(group[-1])) for row in group]


def _length_of(varying: list[str]) -> Callable[[AskedRow], int]:
    return lambda row: sum(_length(row.values[name]) for name in varying)


def _length(value: object) -> int:
    """What is known of the size of a value before it is read: the letters of a text, the entries of a list."""
    if hasattr(value, "shape"):
        return int(value.shape[0]) if value.shape else 1
    if isinstance(value, Mapping):
        return sum(map(_length, value.values()))
    return len(value) if isinstance(value, Sized) else 1


def joined(rows: list[AskedRow], inputs: Mapping[str, InputFacts]) -> dict[str, object]:
    """The values of a batch as `run` takes them: a list for every input of which each sample has its own."""
    return {
        name: [_sample(row.values[name], facts) for row in rows] if facts.per_sample else rows[0].values[name]
        for name, facts in inputs.items()
    }


def _sample(value: object, facts: InputFacts) -> object:
    """The value of one sample; a single one of several in a list, so that it is not taken for a part of another's."""
    return [value] if facts.is_list and value is not None and not isinstance(value, (list, tuple)) else value
