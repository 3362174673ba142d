"""Answers as lines: JSON Lines and CSV are written as they come, Parquet is made of JSON lines at the end."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from composer.problems import InputError
from composer.problems.render.machine import json_text
from composer.rows.plain_values import plain
from composer.rows.row import RowAnswer

__all__ = ["AnswerFormat", "FlatLines", "JsonAnswers", "format_of"]

ENDINGS = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")


class AnswerFormat(Protocol):
    """How an answer becomes a line."""

    @property
    def head(self) -> bytes:
        """What stands before the first line."""

    def line(self, answer: RowAnswer) -> bytes:
        """One answer, with its line break."""

    def written(self, content: bytes) -> Iterator[tuple[bytes, bool]]:
        """The lines of what was written behind the head, each with whether it is an answer and no error."""


class JsonAnswers:
    """`{"row": 1, "id": "a", "outputs": {...}}`, or `"error"` in the place of outputs."""

    head = b""

    def written(self, content: bytes) -> Iterator[tuple[bytes, bool]]:
        for line in content.splitlines(keepends=True):
            yield line, "error" not in json.loads(line)

    def line(self, answer: RowAnswer) -> bytes:
        told: dict[str, object] = {"row": answer.row}
        if answer.id is not None:
            told["id"] = plain(answer.id)
        if answer.kept:
            told["kept"] = {name: plain(value) for name, value in answer.kept.items()}
        if answer.error is not None:
            told["error"] = _error(answer)
        else:
            told["outputs"] = {name: plain(value) for name, value in answer.outputs.items()}
        return json_text(told, indent=None).encode("ascii") + b"\n"


def _error(answer: RowAnswer) -> dict[str, str]:
    assert answer.error is not None
    column = answer.error.column
    return {"reason": answer.error.reason, **({} if column is None else {"column": column})}


@dataclass(frozen=True)
class FlatLines:
    """One column for everything: `row`, `id`, the columns that are kept, the outputs, `error`."""

    outputs: Sequence[str]
    kept: Sequence[str]
    delimiter: str | None
    """What stands between the values; None writes JSON."""

    def columns(self) -> list[str]:
        """The names of all columns; an output or a kept column that is called as another one gets a longer name."""
        taken = {"row", "id", "error"}
        names = ["row", "id"]
        for prefix, wanted in (("kept", self.kept), ("output", self.outputs)):
            for name in wanted:
                own = name if name not in taken else f"{prefix}.{name}"
                taken.add(own)
                names.append(own)
        return [*names, "error"]

    @property
    def head(self) -> bytes:
        return b"" if self.delimiter is None else self._delimited(self.columns())

    def written(self, content: bytes) -> Iterator[tuple[bytes, bool]]:
        if self.delimiter is None:
            for line in content.splitlines(keepends=True):
                yield line, json.loads(line)["error"] is None
            return
        csv.field_size_limit(max(len(content), csv.field_size_limit()))
        text = io.StringIO(content.decode("utf-8"), newline="")
        for values in csv.reader(text, delimiter=self.delimiter):
            yield self._delimited(values), not values[-1]

    def line(self, answer: RowAnswer) -> bytes:
        values = [
            answer.row,
            plain(answer.id),
            *(plain(answer.kept.get(name)) for name in self.kept),
            *(plain(answer.outputs.get(name)) for name in self.outputs),
            None if answer.error is None else answer.error.reason,
        ]
        if self.delimiter is None:
            values[1] = None if values[1] is None else str(values[1])  # a column of Parquet has one type
            line = json_text(dict(zip(self.columns(), values, strict=True)), indent=None)
            return line.encode("ascii") + b"\n"
        return self._delimited([_cell(value) for value in values])

    def _delimited(self, values: list[str]) -> bytes:
        text = io.StringIO()
        csv.writer(text, delimiter=self.delimiter or ",", lineterminator="\n").writerow(values)
        return text.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: Any) -> str:
    """A value in a cell: texts as they are, lists and maps as JSON, nothing where there is none."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json_text(value, indent=None)


def format_of(path: Path, outputs: Sequence[str], kept: Sequence[str]) -> AnswerFormat:
    """How answers are written to a file of that name. Raises InputError for another ending."""
    ending = path.suffix.lower()
    if ending in (".jsonl", ".ndjson"):
        return JsonAnswers()
    if ending in (".csv", ".tsv"):
        return FlatLines(tuple(outputs), tuple(kept), "\t" if ending == ".tsv" else ",")
    if ending == ".parquet":
        from composer.rows.parquet import check_installed

        check_installed()
        return FlatLines(tuple(outputs), tuple(kept), None)
    raise InputError(f"{path}: the ending of --out (out=) says how answers are written: {', '.join(ENDINGS)}")
