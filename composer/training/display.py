"""Progress of a run: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from composer.progress import Progress, shown_seconds
from composer.training.loop import EpochResult, TrainingStep

__all__ = ["Display"]


class Display:
    """Shows steps and epochs on a stream (standard error unless given), with the time that is left of the run."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = Progress(stream, clock)
        self._first = 0
        """Steps that were done before this process began."""
        self._began = clock()
        self._last: TrainingStep | None = None

    def step(self, step: TrainingStep) -> None:
        """Move the bar by one; on a stream that is not a terminal, a line now and then."""
        progress = self._progress
        if self._last is None:
            self._first = step.done - 1
            progress.begin("step", step.total, self._first)
        self._last = step
        if progress.bar is not None:
            progress.bar.set_description_str(f"epoch {step.epoch + 1}/{step.epochs}", refresh=False)
            progress.bar.set_postfix_str(f"{step.task} {step.loss:.3f}", refresh=False)
            progress.bar.update(1)
        elif progress.is_due():
            progress.said()
            where = f"epoch {step.epoch + 1}/{step.epochs}  step {step.done:,}/{step.total:,}"
            self.line(f"{where}  {step.task} {step.loss:.4f}{self._left('  ')}")

    def epoch(self, result: EpochResult) -> None:
        """Leave one line; the bar goes on below it."""
        losses = ", ".join(f"{task} {loss:.4f}" for task, loss in result.losses.items())
        epochs = self._last.epochs if self._last is not None else result.epoch + 1
        self._progress.said()
        self.line(f"epoch {result.epoch + 1}/{epochs}  {losses}  ({result.seconds:.0f} s{self._left(', ')})")

    def validation(self, entry: Mapping[str, Any]) -> None:
        """Leave a line for each task that was scored on the way."""
        for task, scores in entry["scores"].items():
            shown = ", ".join(f"{name} {value}" for name, value in scores.items())
            self.line(f"step {entry['step']:,}  {task}: {shown}{'  (the best so far)' * entry['best']}")

    def stopping(self) -> None:
        """Say that a signal was heard, and what becomes of it."""
        self.line("stopping after this step, with the state stored; once more stops at once, without")

    def line(self, text: str) -> None:
        """One line of text, above the bar where there is one."""
        self._progress.line(text)

    def close(self) -> None:
        """Take the bar away: the run has ended, in one way or the other."""
        self._progress.close()

    def _left(self, before: str) -> str:
        """The time that is left, as the steps of this process went."""
        if self._last is None or self._last.done >= self._last.total:
            return ""
        each = (self._progress.clock() - self._began) / max(self._last.done - self._first, 1)
        seconds = each * (self._last.total - self._last.done)
        return f"{before}{shown_seconds(seconds)} left"
