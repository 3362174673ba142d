"""Progress of many rows: lines where nobody watches a terminal."""

from __future__ import annotations

import io

from composer.rows.row import RowAnswer, RowError
from composer.rows.rows_display import RowsDisplay


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines_tell_what_is_left_and_the_first_errors() -> None:
    stream, clock = io.StringIO(), Clock()
    display = RowsDisplay(stream, clock)
    display.line("goes on")
    display.begin(1_000, 200)
    clock.now = 30.0
    display.answered([RowAnswer(n, error=RowError(f"reason\n{n}")) for n in range(1, 9)])
    clock.now = 100.0
    display.answered([RowAnswer(n) for n in range(9, 201)])
    clock.now = 101.0
    display.answered([RowAnswer(201)])
    display.close()
    assert stream.getvalue().splitlines() == [
        "goes on",
        *[f"row {n}: reason {n}" for n in range(1, 6)],
        "more rows fail; each says why in the answers",
        "400 of 1,000 rows, 8 failed, 2 rows/s, 5 min left",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_a_bar_that_is_gone_at_the_end() -> None:
    stream = Terminal()
    display = RowsDisplay(stream)
    display.begin(10, 0)
    display.answered([RowAnswer(1), RowAnswer(2, error=RowError("bad"))])
    display.close()
    assert "10" in stream.getvalue()
    assert "row 2: bad" in stream.getvalue()
    assert stream.getvalue().endswith("\r")
