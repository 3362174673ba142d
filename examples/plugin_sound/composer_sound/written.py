"""Handwritten digits as pictures with their names, for the tasks that see and read what others hear."""

from __future__ import annotations

import numpy as np

from composer.plugin import Sample
from composer.problems import InputError
from composer_sound.configs import WrittenConfig
from composer_sound.spoken import WORDS

__all__ = ["WrittenDigits"]

SPLITS = {"train": (0, 1200), "validation": (1200, 1500), "test": (1500, 1797)}
"""Scans of each split, in the order of the data set, which came from other writers in its last part."""


class WrittenDigits:
    """Samples `{picture: uint8[size, size, 3], word, class, name}`."""

    splits = tuple(SPLITS)

    def __init__(self, config: WrittenConfig) -> None:
        self._config = config

    def samples(self, split: str, epoch: int = 0) -> list[Sample]:
        if split not in SPLITS:
            raise InputError(f"the written digits have no split {split!r}; they have {', '.join(SPLITS)}")
        try:
            from sklearn.datasets import load_digits
        except ModuleNotFoundError as error:
            raise InputError("the written digits need scikit-learn: pip install scikit-learn") from error
        scans, digits = load_digits(return_X_y=True)
        first, last = SPLITS[split]
        if self._config.pictures is not None:
            last = min(last, first + self._config.pictures)
        return [
            {
                "picture": self._picture(scans[i]),
                "word": WORDS[digits[i]],
                "class": np.int64(digits[i]),
                "name": f"scan {i}",
            }
            for i in range(first, last)
        ]

    def _picture(self, scan: np.ndarray) -> np.ndarray:
        """A scan of 8 by 8 pixels, 0 to 16, in the size and the colours of a picture."""
        size = self._config.size
        rows = np.arange(size) * 8 // size
        grey = (scan.reshape(8, 8)[rows][:, rows] * (255 / 16)).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)
