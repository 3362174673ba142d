"""The samples of a dataset as rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from composer.rows.row import GivenRow

__all__ = ["DatasetRows"]


@dataclass(frozen=True)
class DatasetRows:
    """The samples of a split, each read when its turn comes. What makes them stands for their digest."""

    name: str
    made_of: str
    """The dataset, its config and the split: other samples are made of something else."""
    samples: Sequence[Mapping[str, object]] = field(repr=False)
    columns: tuple[str, ...] | None = None
    names_files: bool = False
    folder: Path | None = None

    def survey(self) -> tuple[int | None, str]:
        return len(self.samples), hashlib.sha256(self.made_of.encode()).hexdigest()

    def rows(self, skipped: int = 0) -> Iterator[GivenRow]:
        for index in count(skipped):
            if index >= len(self.samples):
                return
            yield GivenRow(index + 1, self.samples[index])
