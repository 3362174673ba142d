"""Many rows through one task: read by workers while the task runs; what is wrong with a row is its answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from composer.execution import Answering, ReadValues, UndividedError
from composer.problems import ComposerError, InputError
from composer.rows.batching import batches_of, joined
from composer.rows.column_map import AskedRow
from composer.rows.row import RowAnswer, RowError

__all__ = ["BATCH_SIZE", "RowRunner"]

BATCH_SIZE = 16


@dataclass
class _ReadRows:
    """A batch whose rows were read: those that go together, and those that cannot be used."""

    groups: list[tuple[list[AskedRow], ReadValues]]
    refused: list[tuple[AskedRow, ComposerError]]


class RowRunner:
    """Answers rows of one task of whatever answers tasks."""

    def __init__(
        self,
        model: Answering,
        task: str,
        *,
        batch_size: int | None = None,
        workers: int | None = None,
        seed: int | None = None,
    ) -> None:
        self.reader = model.reader(task)
        self.reader.check_seed(seed)
        self.inputs = self.reader.inputs
        self.seed = seed
        self.alone = self._why_alone()
        """Why rows are answered one at a time, where they are."""
        self.batch_size = self._batch_size(batch_size)
        self.workers = self._workers() if workers is None else workers
        self._answered: list[AskedRow] = []
        """A row that was answered; asked again, it tells a broken model from rows that are at fault."""

    def _why_alone(self) -> str | None:
        if self.seed is not None and not self.reader.draws_apart:
            return "what a search draws from a seed may depend on where its row stands in a batch"
        name = self.reader.undivided
        return (
            None
            if name is None
            else f"output `{name}` does not say which of it is one row's and what fills it up"
        )

    def _batch_size(self, wanted: int | None) -> int:
        least, most = self.reader.sizes
        if wanted is not None and most is not None and wanted > most:
            raise InputError(
                f"--batch-size (batch_size=) is {wanted}, and the task takes at most {most} samples at a time"
            )
        if self.alone is not None:
            return 1
        size = BATCH_SIZE if wanted is None else wanted
        return max(least, size if most is None else min(size, most))

    def _workers(self) -> int:
        import os

        files = any(facts.names_files for facts in self.inputs.values())
        return min(4, os.cpu_count() or 1) if files else 1

    def answers(self, rows: Iterable[AskedRow]) -> Iterator[list[RowAnswer]]:
        """The answers of batches; those of each window of rows are all given before those of the next.

        Raises ComposerError where the model itself has failed, whatever the row.
        """
        for batch in self._ahead(batches_of(rows, self.inputs, self.batch_size)):
            yield [_refused(row, error) for row, error in batch.refused]
            for group, read in batch.groups:
                yield self._answers(group, read)

    def _ahead(self, batches: Iterator[list[AskedRow]]) -> Iterator[_ReadRows]:
        """Batches in order; while one is answered, workers read those that follow."""
        if not self.workers:
            yield from map(self._read, batches)
            return
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="composer-rows")
        waiting: deque[Future[_ReadRows]] = deque()
        try:
            for batch in batches:
                waiting.append(pool.submit(self._read, batch))
                if len(waiting) > self.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _read(self, rows: list[AskedRow]) -> _ReadRows:
        """Read a batch; where it cannot be, each row by itself, and then all that can be."""
        faulty: list[tuple[AskedRow, ComposerError]] = [
            (row, row.fault) for row in rows if row.fault is not None
        ]
        if faulty:
            return _ReadRows([], faulty)
        if self.alone is None or len(rows) == 1:
            try:
                return _ReadRows([(rows, self._ready(rows))], [])
            except ComposerError as error:
                if len(rows) == 1:
                    return _ReadRows([], [(rows[0], error)])
        refused: list[tuple[AskedRow, ComposerError]] = []
        usable: list[tuple[list[AskedRow], ReadValues]] = []
        for row in rows:
            try:
                usable.append(([row], self._ready([row])))
            except ComposerError as error:
                refused.append((row, error))
        if self.alone is not None:
            return _ReadRows(usable, refused)
        return _ReadRows(list(self._together([row for group, _ in usable for row in group])), refused)

    def _together(self, rows: list[AskedRow]) -> Iterator[tuple[list[AskedRow], ReadValues]]:
        """Rows of which each can be read, in as few groups as go together."""
        if not rows:
            return
        try:
            yield rows, self._ready(rows)
        except ComposerError:
            if len(rows) == 1:
                raise
            half = len(rows) // 2
            yield from self._together(rows[:half])
            yield from self._together(rows[half:])

    def _ready(self, rows: Sequence[AskedRow]) -> ReadValues:
        """Read rows together; where the task takes no batch that small, the last stands in it several times."""
        least, _ = self.reader.sizes
        filled = [*rows, *[rows[-1]] * (least - len(rows))]
        return self.reader.read(joined(filled, self.inputs))

    def _answers(self, rows: list[AskedRow], read: ReadValues) -> list[RowAnswer]:
        try:
            outputs = read.answers(self.seed)
        except UndividedError as error:
            self.alone = str(error)
            return [answer for row in rows for answer in self._again([row])]
        except ComposerError as error:
            return self._found_out(rows, error)
        self._answered = rows[:1]
        return [
            RowAnswer(row.number, row.id, found, kept=row.kept)
            for row, found in zip(rows, outputs, strict=False)  # what fills a batch stands at its end
        ]

    def _again(self, rows: list[AskedRow]) -> list[RowAnswer]:
        """Read and answer some rows of a batch that has failed."""
        try:
            read = self._ready(rows)
        except ComposerError as error:
            return [_refused(rows[0], error)] if len(rows) == 1 else self._halves(rows)
        return self._answers(rows, read)

    def _halves(self, rows: list[AskedRow]) -> list[RowAnswer]:
        half = len(rows) // 2
        return [*self._again(rows[:half]), *self._again(rows[half:])]

    def _found_out(self, rows: list[AskedRow], error: ComposerError) -> list[RowAnswer]:
        """The answers of a batch that failed while the task ran: half by half, down to the rows at fault.

        Raises the error where a row that was answered before fails now: then it is not the rows.
        """
        if len(rows) > 1:
            return self._halves(rows)
        for row in self._answered:
            try:
                self._ready([row]).answers(self.seed)
            except ComposerError:
                raise error from None
        return [_refused(rows[0], error)]


def _refused(row: AskedRow, error: ComposerError) -> RowAnswer:
    if isinstance(error, RowError):
        fault = error
    else:
        column = row.column_of(error.input) if isinstance(error, InputError) and error.input else None
        fault = RowError(str(error), column)
    return RowAnswer(row.number, row.id, error=fault, kept=row.kept)
