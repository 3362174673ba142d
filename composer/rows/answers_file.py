"""Answers on disk, in the order of the rows: however a process ends, the next one goes on where it was.

Beside `answers.jsonl` lies `answers.jsonl.progress`: first what was asked, so that no run goes on with answers of
another; then how many rows are in the file and how many bytes they take, and the answers of rows that came before
their turn. What a killed process leaves behind those bytes is cut off. `answers.jsonl.digests` says what every row held
when it was asked.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO

from typing_extensions import Self

from composer.files import hold_alone, replace_file
from composer.problems import InputError
from composer.problems.render.machine import json_text
from composer.rows.answer_lines import AnswerFormat
from composer.rows.plain_values import plain
from composer.rows.row import RowAnswer
from composer.rows.row_contents import RowContent, RowContents
from composer.rows.rows_asked import Asked

__all__ = ["AnswersFile", "Counts"]

FORMAT = 1


class Counts:
    """How many rows are answered and how many failed."""

    def __init__(self, answered: int = 0, failed: int = 0) -> None:
        self.answered, self.failed = answered, failed

    @property
    def rows(self) -> int:
        return self.answered + self.failed


class AnswersFile:
    """Takes answers in any order and writes them in the order of the rows. One process at a time.

    Raises InputError where the file belongs to another run, is being written, or cannot be written.
    """

    def __init__(
        self,
        path: Path,
        format: AnswerFormat,
        asked: Asked,
        *,
        overwrite: bool = False,
        resume: bool = False,
        retry: bool = False,
    ) -> None:
        self.path = path
        self.format = format
        self.asked = asked
        self.counts = Counts()
        self.written = 0
        """Rows that are in the file, from the first on."""
        self.early: dict[int, tuple[bytes, bool]] = {}
        """Lines of rows whose turn has not come, and whether each is an answer."""
        self.finished = False
        """Whether all rows were answered before."""
        self.retried = 0
        """Rows that had failed and are asked again, where that is wished."""
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._contents: RowContents | None = None
        self._progress = path.with_name(f"{path.name}.progress")
        # Parquet is written whole when all rows are answered; until then its lines are kept beside it.
        self._lines = path.with_name(f"{path.name}.lines") if path.suffix.lower() == ".parquet" else path
        try:
            with _told(self.path, 0):
                self._open(overwrite, resume, retry)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def check_free(path: Path, *, overwrite: bool) -> None:
        """Raise InputError where something stands at the path that no run of rows has written."""
        progress = path.with_name(f"{path.name}.progress")
        if path.exists() and not path.is_file():
            what = "a folder" if path.is_dir() else "a device or a pipe"
            raise InputError(f"{path} is {what}: name a file for the answers")
        if not path.parent.is_dir():
            raise InputError(f"{path} cannot be written: there is no folder {path.parent}")
        if path.exists() and path.stat().st_size and not progress.exists() and not overwrite:
            raise InputError(
                f"{path} exists, and nothing beside it says which rows it answers: name another --out, or put new "
                "answers in its place with --overwrite"
            )

    def _open(self, overwrite: bool, resume: bool, retry: bool) -> None:
        self.check_free(self.path, overwrite=overwrite)
        found = None if overwrite or not self._exists() else _read(self._progress)
        if found is not None and found.finished and self._is_apart:
            found.asked.hold_same(self.asked, self.path, resume=resume)
            if not resume and not (retry and found.counts.failed):
                self.written, self.counts, self.finished = found.written, found.counts, True
                return
            found.bytes = self._taken_apart()
        self._file = self._lines.open("r+b" if self._lines.exists() else "w+b")
        hold_alone(self._file, self.path)
        if found is None:
            self._progress.unlink(missing_ok=True)  # before the answers that it tells of
        else:
            self._go_on(found, resume)
            if retry:
                self.retried = self._forget(lambda row, right: not right)
        self._contents = RowContents(self.path.with_name(f"{self.path.name}.digests"), anew=found is None)
        self._commit_and_cut()

    def _commit_and_cut(self) -> None:
        assert self._file is not None
        # Before anything is cut off, so that a process that is killed here has lost nothing.
        self._commit()
        self._file.truncate(self._bytes)
        self._file.seek(self._bytes)

    @property
    def _is_apart(self) -> bool:
        return self._lines != self.path

    def _exists(self) -> bool:
        """Whether answers are there, and not only the word of a progress file that was left behind."""
        return self.path.exists() or self._lines.exists()

    def _taken_apart(self) -> int:
        """Write answers that were written as a whole as lines again; how many bytes these take."""
        from composer.rows.parquet import ParquetRows

        def write(file: BinaryIO) -> None:
            for row in ParquetRows(self.path).rows():
                file.write(json_text(plain(row.values), indent=None).encode("ascii") + b"\n")

        replace_file(self._lines, write)
        return self._lines.stat().st_size

    def _forget(self, which: Callable[[int, bool], bool]) -> int:
        """Leave rows unanswered, by their number and whether they are answers; what is behind the first of them waits
        for its turn. Returns how many.
        """
        assert self._file is not None
        self._file.seek(0)
        content = self._file.read(self._bytes)
        lines = list(self.format.written(content[len(self.format.head) :]))
        if len(lines) != self.written:
            raise InputError(f"{self.path} was changed since it was written: begin anew with --overwrite")
        first = next((n for n, (_, right) in enumerate(lines) if which(n + 1, right)), len(lines))
        later = dict(enumerate(lines[first:], first + 1)) | self.early
        self.early = {row: kept for row, kept in later.items() if not which(row, kept[1])}
        right = sum(right for _, right in lines[:first])
        self.written, self.counts = first, Counts(right, first - right)
        self._bytes = len(self.format.head) + sum(len(line) for line, _ in lines[:first]) if first else 0
        return len(later) - len(self.early)

    def ask_again(self, rows: Collection[int]) -> None:
        """Leave these rows unanswered, and keep the answers of the others."""
        with _told(self.path, self.begun):
            self._forget(lambda row, _: row in rows)
            self._commit_and_cut()

    def note(self, row: int, content: RowContent) -> None:
        """Keep what a row holds that is to be asked."""
        assert self._contents is not None
        with _told(self.path, self.begun):
            self._contents.note(row, content)

    def is_same(self, row: int, content: RowContent) -> bool:
        """Whether a row that is answered held this when it was asked."""
        assert self._contents is not None
        with _told(self.path, self.begun):
            return self._contents.is_same(row, content)

    def _go_on(self, found: _Progress, resume: bool) -> None:
        found.asked.hold_same(self.asked, self.path, resume=resume)
        if self._lines.stat().st_size < found.bytes:
            raise InputError(
                f"{self.path} is shorter than when it was left: put it back, or begin anew with --overwrite"
            )
        self.written, self._bytes, self.counts = found.written, found.bytes, found.counts
        self.early = {row: kept for row, kept in found.early.items() if row > found.written}

    @property
    def begun(self) -> int:
        """How many rows are answered, those too whose turn has not come."""
        return self.written + len(self.early)

    @property
    def last(self) -> int:
        """The last row that is answered."""
        return max(self.early, default=self.written)

    def is_done(self, row: int) -> bool:
        return row <= self.written or row in self.early

    def add(self, answers: Iterable[RowAnswer]) -> None:
        """Keep the answers of some rows, and write those whose turn has come. Raises InputError where that fails."""
        lines = {each.row: (self.format.line(each), each.error is None) for each in answers}
        with _told(self.path, self.begun):
            self.early.update(lines)
            if self.early and max(self.early) == self.written + len(self.early):
                self._write()
            elif lines:
                self._note(lines)

    def _write(self) -> None:
        rows = sorted(self.early)
        content = b"".join(self.early[row][0] for row in rows)
        right = sum(self.early[row][1] for row in rows)
        self._append(content if self._bytes else self.format.head + content)
        self.counts = Counts(self.counts.answered + right, self.counts.failed + len(rows) - right)
        self.written = rows[-1]
        self.early = {}
        self._commit()

    def _append(self, content: bytes) -> None:
        assert self._file is not None
        self._file.write(content)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._bytes += len(content)

    def _commit(self) -> None:
        """Say what is in the file; in one move, so that it is the old state or the new one."""
        head = {"format": FORMAT, "asked": self.asked.told}
        state = {
            "rows": self.written,
            "bytes": self._bytes,
            "answered": self.counts.answered,
            "failed": self.counts.failed,
            "finished": int(self.finished),
        }
        text = "".join(json_text(each, indent=None) + "\n" for each in (head, state))
        content = text.encode("ascii") + _noted(self.early)
        replace_file(self._progress, lambda file: file.write(content))

    def _note(self, lines: Mapping[int, tuple[bytes, bool]]) -> None:
        with self._progress.open("ab") as file:
            file.write(_noted(lines))

    def finish(self) -> None:
        """All rows are answered: make what is made of the whole."""
        if self.finished:
            return
        with _told(self.path, self.begun):
            if not self._bytes:
                self._append(self.format.head)
            if self._is_apart:
                self._write_whole()
            self.finished = True
            self._commit()
            if self._is_apart:
                self._lines.unlink()

    def _write_whole(self) -> None:
        from composer.rows.answer_lines import FlatLines
        from composer.rows.parquet import write_parquet

        assert isinstance(self.format, FlatLines)
        columns = self.format.columns()
        replace_file(self.path, lambda file: write_parquet(self._lines, columns, file))

    def close(self) -> None:
        """Let others write; closing twice is fine."""
        for file in (self._file, self._contents):
            if file is not None:
                with suppress(OSError):  # what a full disk did not take is told already
                    file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Progress:
    """What a run before has left."""

    def __init__(self, asked: Asked, state: Mapping[str, int], early: dict[int, tuple[bytes, bool]]) -> None:
        self.asked = asked
        self.written, self.bytes = state["rows"], state["bytes"]
        self.counts = Counts(state["answered"], state["failed"])
        self.finished = bool(state["finished"])
        self.early = early


def _read(path: Path) -> _Progress | None:
    """What stands in a file of progress; None where there is none. A last line that is cut short does not count."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return None
    try:
        head, state = json.loads(lines[0]), json.loads(lines[1])
        if head["format"] != FORMAT:
            raise ValueError("another format")
        early = {}
        for line in lines[2:]:
            for row, right, content in json.loads(line):
                early[int(row)] = (base64.b64decode(content), bool(right))
        return _Progress(Asked(head["asked"]), {key: int(value) for key, value in state.items()}, early)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise InputError(
            f"{path} is damaged, so that nobody knows which rows are answered: begin anew with --overwrite"
        ) from None


def _noted(lines: Mapping[int, tuple[bytes, bool]]) -> bytes:
    if not lines:
        return b""
    told = [[row, right, base64.b64encode(line).decode()] for row, (line, right) in lines.items()]
    return json.dumps(told).encode() + b"\n"


@contextmanager
def _told(path: Path, rows: int) -> Iterator[None]:
    """A disk that is full and its like, in one sentence."""
    try:
        yield
    except OSError as error:
        kept = (
            f"; the answers to {rows:,} rows are kept, and the same command goes on behind them"
            if rows
            else ""
        )
        raise InputError(f"{path} cannot be written: {error.strerror or error}{kept}") from None
