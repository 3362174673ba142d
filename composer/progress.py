"""How long work takes, for people: a bar on a terminal, plain lines elsewhere, and what is left of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from composer.problems.render.cells import printable

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["LINE_EVERY_S", "Progress", "shown_seconds"]

LINE_EVERY_S = 60.0
"""Where no one watches, long work says so often that it is alive."""


class Progress:
    """A bar with lines above it on a terminal, and lines alone elsewhere (on standard error unless given)."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream = stream or sys.stderr
        self.clock = clock
        self.bar: tqdm | None = None
        """None where there is no terminal, and before the work begins."""
        self._told = clock()

    def begin(self, unit: str, total: int | None, done: int, *, scaled: bool = False) -> None:
        """Show a bar where that can be; `scaled` counts in thousands, millions and so on."""
        if self.stream.isatty():
            from tqdm import tqdm

            self.bar = tqdm(
                total=total,
                initial=done,
                file=self.stream,
                unit=unit,
                unit_scale=scaled,
                leave=False,
                dynamic_ncols=True,
            )

    def reach(self, done: int, line: Callable[[], str]) -> None:
        """So much is done in all: the bar goes there; where there is none, a line says it now and then."""
        if self.bar is not None:
            self.bar.update(done - self.bar.n)
        elif self.is_due():
            self.line(line())
            self.said()

    def is_due(self) -> bool:
        """Whether nothing was said for so long that a line should say how far it is."""
        return self.clock() - self._told >= LINE_EVERY_S

    def said(self) -> None:
        """How far it is has been said."""
        self._told = self.clock()

    def line(self, text: str) -> None:
        """One line of text, above the bar where there is one."""
        if self.bar is not None:
            self.bar.clear()
        print(printable(text), file=self.stream, flush=True)
        if self.bar is not None:
            self.bar.refresh()

    def close(self) -> None:
        """Take the bar away: the work has ended, in one way or the other."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def shown_seconds(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
