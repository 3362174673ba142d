"""What is wrong with a user's data: of all of it, or of single rows."""

from __future__ import annotations

from dataclasses import dataclass

from composer.problems import InputError

__all__ = ["BadRow", "DataError", "told"]

SHOWN_ROWS = 5


class DataError(InputError):
    """Data that cannot be used. `code` and `key` say which problem it is in a recipe, and at which of its values."""

    def __init__(self, message: str, code: str, *key: str, helps: tuple[str, ...] = ()) -> None:
        self.message, self.code, self.key, self.helps = message, code, key, helps
        super().__init__("; ".join((message, *helps)))


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used."""

    title: str
    """What messages call it: `train.csv, row 3`."""
    column: str | None
    reason: str

    def __str__(self) -> str:
        column = "" if self.column is None else f", column `{self.column}`"
        return f"{self.title}{column}: {self.reason}"


def told(bad: list[BadRow], rows: int) -> str:
    """The bad rows in words: how many of all, and the first of them."""
    shown = "; ".join(map(str, bad[:SHOWN_ROWS]))
    if len(bad) == 1:
        return shown
    more = f"; and {len(bad) - SHOWN_ROWS:,} more" if len(bad) > SHOWN_ROWS else ""
    return f"{len(bad):,} of {rows:,} rows cannot be used: {shown}{more}"
