"""Progress of many rows: a bar on a terminal, plain lines elsewhere, with the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from composer.progress import Progress, shown_seconds
from composer.rows.plain_values import NotFinite
from composer.rows.row import RowAnswer

__all__ = ["RowsDisplay"]

SHOWN_ERRORS = 5
LONGEST_ERROR = 300


class RowsDisplay:
    """Shows rows as they are answered, and the first that fail, on a stream (standard error unless given)."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = Progress(stream, clock)
        self._total: int | None = None
        self._first = self._done = self._failed = 0
        self._began = clock()
        self._broken = NotFinite()

    def begin(self, total: int | None, done: int) -> None:
        """Rows that there are, where that is known, and those that were answered before."""
        self._total, self._first, self._done = total, done, done
        self._began = self._progress.clock()
        self._progress.said()
        self._progress.begin("row", total, done)

    def answered(self, answers: list[RowAnswer]) -> None:
        """Some rows have their answers."""
        for each in answers:
            self._broken.see(each.row, each.outputs)
            if each.error is not None:
                self._failed += 1
                if self._failed <= SHOWN_ERRORS:
                    self.line(f"row {each.row}: {_cut(each.error.reason)}")
                elif self._failed == SHOWN_ERRORS + 1:
                    self.line("more rows fail; each says why in the answers")
        self._done += len(answers)
        progress = self._progress
        if progress.bar is not None:
            progress.bar.set_postfix_str(f"{self._failed:,} failed" if self._failed else "", refresh=False)
            progress.bar.update(len(answers))
        elif progress.is_due():
            progress.said()
            of = f" of {self._total:,}" if self._total is not None else ""
            failed = f", {self._failed:,} failed" if self._failed else ""
            self.line(f"{self._done:,}{of} rows{failed}, {self._rate():.3g} rows/s{self._left()}")

    def line(self, text: str) -> None:
        """One line of text, above the bar where there is one."""
        self._progress.line(text)

    def warn(self) -> None:
        """Say which outputs of this run are not finite, once the rows are answered."""
        for sentence in self._broken.told():
            self.line(f"composer: {sentence}")

    def close(self) -> None:
        """Take the bar away: the run has ended, in one way or the other."""
        self._progress.close()

    def _rate(self) -> float:
        return (self._done - self._first) / max(self._progress.clock() - self._began, 1e-9)

    def _left(self) -> str:
        if self._total is None or not self._rate():
            return ""
        return f", {shown_seconds((self._total - self._done) / self._rate())} left"


def _cut(reason: str) -> str:
    line = " ".join(reason.split())
    return line if len(line) <= LONGEST_ERROR else f"{line[:LONGEST_ERROR]}..."
