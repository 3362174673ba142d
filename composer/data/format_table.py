"""Official annotation files as a table: `vqa:questions.json,annotations.json`, read by the format that is named."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import re
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from composer.plugin import RowFormat, UnreadableSample
from composer.plugin.asking import ask, import_object
from composer.problems import InputError
from composer.problems.suggest import unknown
from composer.rows.row import GivenRow

__all__ = ["FormatTable", "format_table", "relative_data"]

_NAMED = re.compile(r"(?P<format>[A-Za-z][\w.-]+):(?!//|\\)(?P<files>.+)", re.DOTALL)


class FormatTable:
    """The rows of annotation files, laid out as lines in a file of the process; a broken sample is a row with a fault.

    Held is where each row begins: 8 bytes of it.
    """

    names_files = False
    class_names: Mapping[str, Sequence[str]] = {}

    def __init__(self, format: RowFormat, files: Sequence[Path], media: Path) -> None:
        self.name = f"{format.id}:{files[0]}"
        self.folder = media.absolute()
        self._begins = array("Q", [0])
        self._faults: dict[int, str] = {}
        self._digest = hashlib.sha256()
        read = import_object(format.reader, format.title)
        try:
            with tempfile.TemporaryFile(prefix="composer-rows-") as file:
                self.columns = self._laid_out(file, ask(read, files, self.folder, what=format.title))
                self.own_columns = self.columns  # the reader makes them all, so none is there by mistake
                self._lines = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.tell() else b""
        except OSError as error:
            raise InputError(
                f"{error.filename or files[0]} cannot be read: {error.strerror or error}"
            ) from None

    def _laid_out(
        self, file: BinaryIO, samples: Iterable[Mapping[str, object] | UnreadableSample]
    ) -> tuple[str, ...]:
        columns: dict[str, None] = {}
        for number, sample in enumerate(samples):
            if isinstance(sample, UnreadableSample):
                self._faults[number] = sample.reason
                line = b""
            else:
                columns.update(dict.fromkeys(sample))
                line = json.dumps(dict(sample), ensure_ascii=False).encode()
            file.write(line)
            self._digest.update(line + b"\n")
            self._begins.append(self._begins[-1] + len(line))
        file.flush()
        return tuple(columns)

    @property
    def fault(self) -> str | None:
        """Why the first sample cannot be read, where none can."""
        return next(iter(self._faults.values())) if 0 < len(self) == len(self._faults) else None

    def __len__(self) -> int:
        return len(self._begins) - 1

    def row(self, index: int) -> GivenRow:
        """One row."""
        if index in self._faults:
            return GivenRow(index + 1, fault=self._faults[index])
        return GivenRow(index + 1, json.loads(self._lines[self._begins[index] : self._begins[index + 1]]))

    def title(self, index: int) -> str:
        return f"{self.name}, sample {index + 1}"

    def rows(self, skipped: int = 0) -> Iterator[GivenRow]:
        return (self.row(index) for index in range(skipped, len(self)))

    def survey(self) -> tuple[int, str]:
        return len(self), self._digest.hexdigest()


def format_table(
    text: str, folder: Path, media_root: str | None, formats: Mapping[str, RowFormat]
) -> FormatTable | None:
    """The table of `FORMAT:FILE[,FILE]`, its files relative to a folder; None for the name of a file or folder.

    Raises InputError for a format that is not there, too few or too many files, and files without samples
    that can be read.
    """
    named = _NAMED.fullmatch(text)
    if named is None or os.path.exists(folder / text):
        return None
    id_, files = named["format"], [folder / each for each in named["files"].split(",")]
    if id_ not in formats:
        if not files[0].exists():
            return None
        raise unknown("format", id_, formats)
    entry = formats[id_]
    least, most = len(entry.file_names) - entry.optional_files, len(entry.file_names)
    if not least <= len(files) <= most:
        wanted = ",".join(entry.file_names)
        raise InputError(f"{entry.title} reads {id_}:{wanted}, and {len(files)} files are named")
    for file in files:
        if not file.exists():
            raise InputError(f"{file} does not exist: check the path, which starts at {Path.cwd()}")
    media = files[0].absolute().parent if media_root is None else folder / media_root
    table = FormatTable(entry, files, media)
    if not len(table):
        raise InputError(f"{files[0]} has no samples of the format {id_}: {entry.summary}")
    if table.fault is not None:
        raise InputError(f"none of {len(table):,} samples can be read as {id_}: {table.fault}")
    return table


def relative_data(text: str, folder: Path) -> str:
    """The name of data with its paths relative to a folder."""
    named = _NAMED.fullmatch(text)
    if named is None or os.path.exists(text):
        return _relative(text, folder)
    return f"{named['format']}:{','.join(_relative(each, folder) for each in named['files'].split(','))}"


def _relative(file: str, folder: Path) -> str:
    return file if os.path.isabs(file) else Path(os.path.relpath(file, folder)).as_posix()
