"""What an error of another library says, without the pages of advice that may follow."""

from __future__ import annotations

__all__ = ["first_line"]

LONGEST = 160


def first_line(error: BaseException) -> str:
    """The first line of its text that says something, cut where it is long; the name of its type where none does."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
