"""What a run tells while it goes on: a line of JSON for every step, epoch and validation, and TensorBoard's files."""

from __future__ import annotations

import json
import math
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from composer.files import hold_alone, is_utf8, replace_file
from composer.problems import InputError
from composer.training.loop import EpochResult, TrainingStep

__all__ = ["MetricsLog", "read_metrics"]


class MetricsLog:
    """The lines of a run. After a resumption they go on where the stored state was: none is missing, none is there
    twice.
    """

    def __init__(self, path: Path, tensorboard: Path | None = None) -> None:
        self.path = path
        self._folder = tensorboard
        self._begun = 0
        self._redone = 0
        self._file: IO[str] | None = None
        self._writer: Any = None
        if tensorboard is not None:
            _tensorboard()  # told now rather than after the first step
            if not is_utf8(str(tensorboard)):
                raise InputError(
                    f"TensorBoard writes to no folder whose name is not UTF-8, and {tensorboard} is such a one: name "
                    "another with --tensorboard, or run in that folder and name one in it"
                )

    def begin(self, step: int) -> None:
        """The run begins after a step; 0 is a new one. What is there stays until the first line."""
        self._begun = step

    def check_free(self) -> None:
        """Raise InputError where another run still writes the lines, and so all else that has its name. Asked by one
        process of a run: to ask is to hold for a moment.
        """
        with suppress(OSError), self.path.open("rb") as file:
            hold_alone(file, self.path)

    def _open(self) -> IO[str]:
        self.check_free()
        step = self._begun
        kept = [line for line in read_metrics(self.path) if line["step"] <= step] if step else []
        kept = [line for line in kept if "scores" not in line or line["step"] != self._redone]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        replace_file(self.path, lambda file: file.write(text.encode()))
        if self._folder is not None:
            self._writer = _tensorboard()(self._folder, purge_step=step + 1 if step else None)
        self._file = self.path.open("a", encoding="utf-8", buffering=1)
        hold_alone(self._file, self.path)
        return self._file

    def step(self, step: TrainingStep) -> None:
        """A step was made."""
        speed = step.samples / step.seconds if step.seconds else 0.0
        self._line(
            step.done,
            {
                "epoch": step.epoch + 1,
                "task": step.task,
                "loss": step.loss,
                "lr": step.rate,
                "grad_norm": step.norm,
                "samples_per_s": round(speed, 2),
                "seconds": round(step.seconds, 6),
            },
        )
        self._scalars(
            {
                f"loss/{step.task}": step.loss,
                "lr": step.rate,
                f"grad_norm/{step.task}": step.norm,
                "samples_per_s": speed,
            },
            step.done,
        )

    def epoch(self, result: EpochResult, step: int) -> None:
        """An epoch has ended."""
        self._line(step, {"epoch": result.epoch + 1, "epoch_losses": result.losses})

    def validation(self, entry: dict[str, Any]) -> None:
        """Scores were made."""
        if self._file is None:  # the run was killed after it told them and before it stored them
            self._redone = entry["step"]
        self._line(entry["step"], {"epoch": entry["epoch"], "scores": entry["scores"], "best": entry["best"]})
        values = {
            f"validation/{task}.{name}": value
            for task, scores in entry["scores"].items()
            for name, value in scores.items()
            if isinstance(value, (int, float))
        }
        self._scalars(values, entry["step"])

    def close(self) -> None:
        """The run has ended, in one way or the other."""
        for each in (self._file, self._writer):
            if each is not None:
                with suppress(OSError):  # what could not be written was told when it was
                    each.close()

    def _line(self, step: int, values: dict[str, Any]) -> None:
        line = {"step": step, **values, "time": round(time.time(), 3)}
        try:
            (self._file or self._open()).write(json.dumps(_plain(line)) + "\n")
        except OSError as error:
            raise _unwritten(self.path, error) from None

    def _scalars(self, values: dict[str, float], step: int) -> None:
        if self._writer is None:
            return
        try:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)
        except OSError as error:
            raise _unwritten(self._folder, error) from None


def _unwritten(path: Path | None, error: OSError) -> InputError:
    cause = error.strerror or error
    return InputError(f"{path} cannot be written: {cause}; make room, and go on with --resume")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a run, in their order; one that a killed run left unfinished is left out."""
    found = []
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict) and isinstance(value.get("step"), int):
            found.append(value)
    return found


def _plain(value: Any) -> Any:
    """A number that JSON lacks (NaN, infinity) is null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, dict) else value


def _tensorboard() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError(
            "TensorBoard's files need a package: pip install 'multimodal-composer[tensorboard]'"
        ) from None
    return SummaryWriter
