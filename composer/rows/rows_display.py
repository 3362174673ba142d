"""Progress of many rows: a bar on a terminal, plain lines elsewhere, with the time that is left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from composer.problems.render.cells import printable
from composer.progress import LINE_EVERY_S, shown_seconds
from composer.rows.row import RowAnswer

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["RowsDisplay"]

SHOWN_ERRORS = 5
LONGEST_ERROR = 300


class RowsDisplay:
    """Shows rows as they are answered, and the first that fail, on a stream (standard error unless given)."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._clock = clock
        self._bar: tqdm | None = None
        self._total: int | None = None
        self._first = self._done = self._failed = 0
        self._began = self._told = clock()

    def begin(self, total: int | None, done: int) -> None:
        """Rows that there are, where that is known, and those that were answered before."""
        self._total, self._first, self._done = total, done, done
        self._began = self._told = self._clock()
        if self._terminal:
            from tqdm import tqdm

            self._bar = tqdm(
                total=total, initial=done, file=self._stream, unit="row", leave=False, dynamic_ncols=True
            )

    def answered(self, answers: list[RowAnswer]) -> None:
        """Some rows have their answers."""
        for each in answers:
            if each.error is not None:
                self._failed += 1
                if self._failed <= SHOWN_ERRORS:
                    self.line(f"row {each.row}: {_cut(each.error.reason)}")
                elif self._failed == SHOWN_ERRORS + 1:
                    self.line("more rows fail; each says why in the answers")
        self._done += len(answers)
        if self._bar is not None:
            self._bar.set_postfix_str(f"{self._failed:,} failed" if self._failed else "", refresh=False)
            self._bar.update(len(answers))
        elif self._clock() - self._told >= LINE_EVERY_S:
            self._told = self._clock()
            of = f" of {self._total:,}" if self._total is not None else ""
            failed = f", {self._failed:,} failed" if self._failed else ""
            self.line(f"{self._done:,}{of} rows{failed}, {self._rate():.3g} rows/s{self._left()}")

    def line(self, text: str) -> None:
        """One line of text, above the bar where there is one."""
        if self._bar is not None:
            self._bar.clear()
        print(printable(text), file=self._stream, flush=True)
        if self._bar is not None:
            self._bar.refresh()

    def close(self) -> None:
        """Take the bar away: the run has ended, in one way or the other."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _rate(self) -> float:
        return (self._done - self._first) / max(self._clock() - self._began, 1e-9)

    def _left(self) -> str:
        if self._total is None or not self._rate():
            return ""
        return f", {shown_seconds((self._total - self._done) / self._rate())} left"


def _cut(reason: str) -> str:
    line = " ".join(reason.split())
    return line if len(line) <= LONGEST_ERROR else f"{line[:LONGEST_ERROR]}..."
