"""The host side of the modality `count`: whole numbers that say how many parts each sample has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from composer.plugin import NoConfig
from composer.problems import InputError

__all__ = ["CountProcessor", "sample"]


def sample(config: NoConfig) -> list[int]:
    """Two counts, for the conformance kit."""
    return [3, 1]


class CountProcessor:
    """Passes whole numbers on as an array."""

    def __init__(self, config: NoConfig) -> None:
        self.config = config

    def encode(self, values: Sequence[int]) -> dict[str, NDArray[np.int64]]:
        """`{"counts": int64 [B]}`; raises InputError for what is not a whole number from zero up."""
        for value in values:
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
                raise InputError(f"a count is a whole number from 0 up, not {value!r}")
        return {"counts": np.asarray(values, dtype=np.int64)}
