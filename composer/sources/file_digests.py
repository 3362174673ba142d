"""Digests of weight files, with how far it is where they are large: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from composer.files import sha256_of
from composer.progress import Progress, shown_seconds

__all__ = ["digests_of"]

LARGE_BYTES = 1 << 30
"""What is smaller is read in a second or two."""
GB = 1_000_000_000


def digests_of(files: Sequence[Path], make_progress: Callable[[], Progress] = Progress) -> dict[str, str]:
    """SHA-256 of every file by its name. Raises OSError where one cannot be read."""
    total = sum(file.stat().st_size for file in files)
    if total < LARGE_BYTES:
        return {file.name: sha256_of(file) for file in files}
    progress = make_progress()
    watch = _Watch(progress, total)
    progress.begin("B", total, 0, scaled=True)
    try:
        return {file.name: sha256_of(file, watch.read) for file in files}
    finally:
        progress.close()


class _Watch:
    """Tells how much is read, and how long the rest takes at this speed."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress = progress
        self.total = total
        self.done = 0
        self.began = progress.clock()

    def read(self, size: int) -> None:
        self.done += size
        self.progress.reach(self.done, self._line)

    def _line(self) -> str:
        spent = self.progress.clock() - self.began
        left = shown_seconds(spent * (self.total - self.done) / self.done)
        return f"SHA-256: {self.done / GB:.1f} of {self.total / GB:.1f} GB, {left} left"
