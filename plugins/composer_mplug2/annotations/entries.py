"""What every reader does: entries of large files one at a time, joins kept on disk, a broken entry told and left."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, TextIO, TypeVar, Union

from composer.plugin import UnreadableSample
from composer.plugin.csv_records import csv_records
from composer.problems import InputError

__all__ = [
    "Kept",
    "Row",
    "Sample",
    "entries",
    "has_text",
    "kept",
    "lines",
    "medium",
    "opened",
    "read_each",
    "table",
    "text_of",
]

Row = Mapping[str, object]
Sample = Union[Row, UnreadableSample]
T = TypeVar("T")
FAULTS = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError, ArithmeticError)
"""What an entry raises that is not as its format has it."""
NAMED = {",": "commas", "\t": "tabs"}
BOM = b"\xef\xbb\xbf"
NOT_TEXT = {
    b"\x1f\x8b": "is compressed by gzip: unpack it",
    b"PK\x03\x04": "is a zip archive: unpack it",
    b"\xff\xfe": "is UTF-16: save it as UTF-8",
    b"\xfe\xff": "is UTF-16: save it as UTF-8",
}
"""The first bytes of files that people take for the text that is in them."""


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file of text, at its first character, whatever mark of its encoding stands before.

    Raises InputError for a compressed file and another encoding.
    """
    with path.open("rb") as file:
        begin = file.read(4)
        for mark, fault in NOT_TEXT.items():
            if begin.startswith(mark):
                raise InputError(f"{path} {fault}")
        file.seek(len(BOM) if begin.startswith(BOM) else 0)
        yield file


@contextmanager
def _opened_text(path: Path, newline: str) -> Iterator[TextIO]:
    with (
        opened(path) as file,
        TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline=newline) as text,
    ):
        yield text


def entries(path: Path, name: str) -> Iterator[Any]:
    """The entries of a JSON array, one at a time. `name` is its place: `questions` in a map, "" of the whole file.

    Raises InputError where the file is no JSON, from the place on where it is none.
    """
    try:
        import ijson
    except ImportError:
        raise InputError(
            'annotations in JSON are read with ijson: pip install "multimodal-composer[rows]"'
        ) from None
    with opened(path) as file:
        try:
            yield from ijson.items(file, f"{name}.item" if name else "item", use_float=True)
        except (ijson.JSONError, UnicodeDecodeError) as error:
            told = error.args[0] if error.args else ""
            text = told.decode(errors="replace") if isinstance(told, bytes) else str(error)
            reason = text.partition("\n")[0].strip()
            raise InputError(
                f"{path} is not JSON, near its byte {file.tell():,} or before it: {reason}"
            ) from None


def lines(path: Path) -> Iterator[str]:
    """The lines of a file that have content."""
    with _opened_text(path, "\n") as file:
        for line in file:
            if line.strip():
                yield line.rstrip("\r\n")


def table(
    path: Path, delimiter: str, columns: tuple[str, ...] = (), quoted: bool = True
) -> Iterator[dict[str, str]]:
    """The rows of a table. `columns` are those of a table without a heading.

    Raises InputError for a heading that is one name with other separators in it.
    """
    with _opened_text(path, "") as file:
        names = columns
        for _, values in csv_records(file, delimiter, quoted=quoted):
            if isinstance(values, str):
                if not names:
                    raise InputError(f"{path}: {values}")
                yield _UnreadRow(values)
            elif not names:
                names = tuple(values)
                if len(names) == 1 and any(other in names[0] for other in {",", ";", "\t"} - {delimiter}):
                    raise InputError(
                        f"{path} has one column, {names[0]!r}: put {NAMED[delimiter]} between columns"
                    )
            elif values:
                yield dict(zip(names, values, strict=False))


class _UnreadRow(dict[str, str]):
    """A row of a table that cannot be read: it has no columns, and who asks for one hears why."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self._reason = reason

    def __missing__(self, name: str) -> str:
        raise ValueError(self._reason)


def has_text(value: object) -> bool:
    """Whether a value says something: it is no `null`, no list or map, and not of blanks alone."""
    return value is not None and not isinstance(value, (list, dict)) and bool(str(value).strip())


def text_of(entry: Mapping[str, Any], name: str) -> str:
    """What an entry says under a name. Raises ValueError where that is nothing: `null`, or blanks alone."""
    value = entry[name]
    if not has_text(value):
        raise ValueError(f"its `{name}` has no text")
    return str(value)


def read_each(
    found: Iterable[T], path: Path, read: Callable[[T], Iterator[Sample]], noun: str = "entry"
) -> Iterator[Sample]:
    """The rows of every entry; one that is not as it should be is told in the place of its rows.

    `read` itself tells of a part of an entry whose other parts can be read.
    """
    for number, entry in enumerate(found, 1):
        try:
            rows = [*read(entry)]
            for row in rows:
                if not isinstance(row, UnreadableSample):
                    json.dumps(row, ensure_ascii=False).encode()
        except FAULTS as error:
            yield UnreadableSample(f"{noun} {number:,} of {path.name} {_fault(error)}")
            continue
        yield from rows


def _fault(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"has no `{error.args[0]}`"
    if isinstance(error, UnicodeError):
        return "is not UTF-8"
    return f"is not of the format: {str(error).partition(chr(10))[0]}"


class Kept:
    """Values by key, on disk: what is joined with the entries of another file, however large it is."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute("create table kept (key text, value text)")
        self._sorted = False

    def put(self, key: object, value: object) -> None:
        """Add a value to those of a key."""
        self._database.execute("insert into kept values (?, ?)", (str(key), json.dumps(value)))

    def all(self, key: object) -> list[Any]:
        """The values of a key in the order in which they were put."""
        if not self._sorted:
            self._database.execute("create index by_key on kept (key)")
            self._sorted = True
        found = self._database.execute("select value from kept where key = ? order by rowid", (str(key),))
        return [json.loads(value) for (value,) in found]

    def one(self, key: object) -> Any:
        """The first value of a key. Raises KeyError where there is none."""
        return self.all(key)[0] if self.all(key) else _missing(key)

    def keys(self) -> Iterator[str]:
        """Every key once, in the order in which they came."""
        found = self._database.execute("select key from kept group by key order by min(rowid)")
        return (key for (key,) in found)


def _missing(key: object) -> Any:
    raise KeyError(key)


@contextmanager
def kept() -> Iterator[Kept]:
    """A `Kept` whose file goes with it."""
    with closing(sqlite3.connect("")) as database:  # a database without a name lies in a temporary file
        yield Kept(database)


def medium(media: Path, *names: str) -> str:
    """Of the names that a file may have below a folder, the first that is there; else the first."""
    return next((name for name in names if (media / name).is_file()), names[0])
