"""The one error of the weights room."""

from __future__ import annotations

from pathlib import Path

from composer.problems import InputError

__all__ = ["WeightsError", "unreadable"]


class WeightsError(InputError):
    """A checkpoint that cannot be read, or that does not fit the modules it is loaded into.

    `details` is the whole text where `str()` is a short one.
    """

    def __init__(self, message: str, details: str | None = None) -> None:
        super().__init__(message)
        self.details = message if details is None else details


def unreadable(path: Path, cause: str, fix: str = "") -> WeightsError:
    """One sentence for a file that is not a checkpoint: the place, the cause, and what to do about it."""
    return WeightsError(f"cannot read weights from {path}: {cause}" + (f"; {fix}" if fix else ""))
