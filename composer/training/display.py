"""Progress of a run: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from composer.problems.render.cells import printable
from composer.progress import LINE_EVERY_S, shown_seconds
from composer.training.loop import EpochResult, TrainingStep

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["Display"]


class Display:
    """Shows steps and epochs on a stream (standard error unless given), with the time that is left of the run."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._clock = clock
        self._bar: tqdm | None = None
        self._first = 0
        """Steps that were done before this process began."""
        self._began = self._told = clock()
        self._last: TrainingStep | None = None

    def step(self, step: TrainingStep) -> None:
        """Move the bar by one; on a stream that is not a terminal, a line now and then."""
        if self._last is None:
            self._first, self._began = step.done - 1, self._told
        self._last = step
        if self._terminal:
            self._move(step)
        elif self._clock() - self._told >= LINE_EVERY_S:
            self._told = self._clock()
            where = f"epoch {step.epoch + 1}/{step.epochs}  step {step.done:,}/{step.total:,}"
            self.line(f"{where}  {step.task} {step.loss:.4f}{self._left('  ')}")

    def epoch(self, result: EpochResult) -> None:
        """Leave one line; the bar goes on below it."""
        losses = ", ".join(f"{task} {loss:.4f}" for task, loss in result.losses.items())
        epochs = self._last.epochs if self._last is not None else result.epoch + 1
        self._told = self._clock()
        self.line(f"epoch {result.epoch + 1}/{epochs}  {losses}  ({result.seconds:.0f} s{self._left(', ')})")

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

    def _move(self, step: TrainingStep) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(
                total=step.total,
                initial=self._first,
                file=self._stream,
                unit="step",
                leave=False,
                dynamic_ncols=True,
            )
        self._bar.set_description_str(f"epoch {step.epoch + 1}/{step.epochs}", refresh=False)
        self._bar.set_postfix_str(f"{step.task} {step.loss:.3f}", refresh=False)
        self._bar.update(1)

    def _left(self, before: str) -> str:
        """The time that is left, as the steps of this process went."""
        if self._last is None or self._last.done >= self._last.total:
            return ""
        each = (self._clock() - self._began) / max(self._last.done - self._first, 1)
        seconds = each * (self._last.total - self._last.done)
        return f"{before}{shown_seconds(seconds)} left"
