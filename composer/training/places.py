"""Where a run writes: its weights (the last and the best), record, checkpoint, metrics and their picture."""

from __future__ import annotations

import os
import shutil
from dataclasses import astuple, dataclass
from pathlib import Path

from composer.files import hold_file
from composer.problems import InputError

__all__ = ["Places"]

ENDINGS = (".safetensors", ".json", ".checkpoint", ".best.safetensors", ".metrics.jsonl", ".curves.svg")
STATES_PER_WEIGHT = 4
"""Sizes of the weights that a run writes: the weights, and a checkpoint with them and the optimizer's two moments."""
CHECKPOINT_PER_WEIGHT = 3
"""Sizes of the weights that a checkpoint is: of a run that goes on, only this has to fit beside the one before."""


@dataclass(frozen=True)
class Places:
    """The files of a run. Made by `of`, which refuses a place that does not do now, not after hours of training."""

    weights: Path
    record: Path
    checkpoint: Path
    best: Path
    metrics: Path
    curves: Path

    @classmethod
    def of(cls, out: str | Path) -> Places:
        """The places for `--out`; nothing is made yet. Raises InputError for those that cannot be written."""
        path = Path(out)
        base = path.with_suffix("") if path.suffix == ".safetensors" else path
        if not base.name:
            raise InputError(f"{str(out)!r} is not the name of a file")
        found = cls(*(base.with_name(base.name + ending) for ending in ENDINGS))
        above = base.parent
        while not os.path.lexists(above) and above != above.parent:
            above = above.parent
        if not above.is_dir():
            raise InputError(
                f"{out} cannot be written: {above} is not a folder; name another place with --out"
            )
        if not os.access(above, os.W_OK | os.X_OK):
            raise InputError(f"{out} cannot be written: {above} gives no permission (Permission denied)")
        for target in astuple(found):
            hold_file(target)
        return found

    def make_folder(self, weights_bytes: int) -> None:
        """Make the folder, and see that the files have room in it. Raises InputError where they have not."""
        folder = self.weights.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(folder).free
        except OSError as error:
            raise InputError(f"the folder {folder} cannot be made: {error.strerror or error}") from None
        sizes = CHECKPOINT_PER_WEIGHT if self.checkpoint.is_file() else STATES_PER_WEIGHT
        needed = sizes * weights_bytes
        if free < needed:
            raise InputError(
                f"{folder} has {free:,} bytes free, and the weights and the checkpoint of this run take about "
                f"{needed:,}: make room, or name another place with --out"
            )
