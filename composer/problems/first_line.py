"""What an error of another library says, without the pages of advice that may follow."""

from __future__ import annotations

from pydantic import ValidationError

__all__ = ["first_line", "refusal"]

LONGEST = 160


def first_line(error: BaseException) -> str:
    """The first line of its text that says something, cut where it is long; the name of its type where none does."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def refusal(error: ValueError) -> str:
    """Why a config refuses what it was given, in one line: every fault with its field, without pydantic's advice."""
    if not isinstance(error, ValidationError):
        return first_line(error)
    faults = error.errors(include_url=False, include_context=False)
    said = [(".".join(map(str, each["loc"])), each["msg"].removeprefix("Value error, ")) for each in faults]
    return "; ".join(f"{where}: {text}" if where else text for where, text in said)
