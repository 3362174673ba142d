"""Progress of a run: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from composer.training.loop import EpochResult, Step

__all__ = ["Display"]


class Display:
    """Shows steps and epochs on a stream (standard error unless given)."""

    def __init__(self, epochs: int, stream: TextIO | None = None) -> None:
        self._epochs = epochs
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._bar: Any = None

    def step(self, step: Step) -> None:
        """Move the bar by one; nothing on a stream that is no terminal."""
        if not self._terminal:
            return
        if self._bar is None:
            from tqdm import tqdm

            label = f"epoch {step.epoch + 1}/{self._epochs}"
            self._bar = tqdm(total=step.total, desc=label, file=self._stream, unit="step", leave=False)
        self._bar.set_postfix_str(f"{step.task} {step.loss:.3f}", refresh=False)
        self._bar.update(1)

    def epoch(self, result: EpochResult) -> None:
        """Close the bar and leave one line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        losses = ", ".join(f"{task} {loss:.4f}" for task, loss in result.losses.items())
        self.line(f"epoch {result.epoch + 1}/{self._epochs}  {losses}  ({result.seconds:.0f} s)")

    def line(self, text: str) -> None:
        """One line of text."""
        print(text, file=self._stream, flush=True)
