"""Records of text with commas or tabs between values: a quotation mark that is not closed swallows no row unseen."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

__all__ = ["csv_records"]


def csv_records(
    lines: Iterable[str], delimiter: str, *, quoted: bool = True, first: int = 1
) -> Iterator[tuple[int, list[str] | str]]:
    """Every record, with the number of its first line; of one that cannot be read, why. The lines count from `first`.

    `quoted` says whether a value may stand in quotation marks. A record takes no more lines than it has, so that who
    counts these knows where the next one begins.
    """
    source = _RecordLines(lines, first)
    # Strict: what follows a closing mark shows that it was meant to open, and that all between was no value.
    reader = csv.reader(
        source, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE, strict=quoted
    )
    while True:
        number = source.begin()
        record: list[str] | str
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            record = _faulty(source, number, delimiter, error)
        yield number, record


class _RecordLines:
    """Lines of a text; keeps those of one record, and whether a reader asked for more than there are within it."""

    def __init__(self, lines: Iterable[str], first: int) -> None:
        self._lines = iter(lines)
        self.next = first
        self.record: list[str] = []
        self.ended = False

    def begin(self) -> int:
        """A record begins: the number of its first line."""
        self.record = []
        return self.next

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines, None)
        if line is None:
            self.ended = True
            raise StopIteration
        self.next += 1
        self.record.append(line)
        return line


def _faulty(source: _RecordLines, first: int, delimiter: str, error: csv.Error) -> list[str] | str:
    """A record that breaks a rule: why, or what it says where it is of one line and no other row is lost by it."""
    opens = f"line {first} opens a quotation mark that is"
    if source.ended:
        return f"{opens} never closed, which makes one value of all that follows: close it"
    if len(source.record) > 1:
        count = f"{len(source.record):,} lines"
        return f"{opens} not closed where its value ends, which makes one value of {count}: close it"
    try:
        return next(csv.reader(source.record, delimiter=delimiter))
    except (csv.Error, StopIteration):
        return f"line {first} cannot be read: {error}"
