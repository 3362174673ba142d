"""Names, such as those of classes: a list in the document, or a file beside it with one name a line."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationInfo

from composer.plugin import folder_of, is_file

__all__ = ["read_class_names", "read_names"]

MAX_BYTES = 10_000_000
LONGEST_SHOWN = 200


def read_class_names(value: object, info: ValidationInfo) -> object:
    """The names of classes, which numbers and flags may be, too: stars from 1 to 5. Raises as `read_names`."""
    if isinstance(value, list) and all(isinstance(name, (str, int)) for name in value):
        from composer.types.class_numbers import class_name

        value = [class_name(name) for name in value]
    return read_names(value, info)


def read_names(value: object, info: ValidationInfo, *, noun: str = "name", plural: str = "names") -> object:
    """The names themselves, in the order of the classes: a compiled artifact then needs no file.

    Raises ValueError for a file that is not there, is not a text or is empty, and for names that are empty or doubled.
    """
    if isinstance(value, str):
        value = _lines(value, (folder_of(info) or Path()) / value, noun, plural)
    if isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value):
        if not value:
            raise ValueError(
                "there are no names: give one for every class"
                if noun == "name"
                else f"there are no {plural}: give at least one"
            )
        first: dict[str, int] = {}
        for number, name in enumerate(value, 1):
            if not name.strip():
                raise ValueError(
                    f"the name of class {number} is empty" if noun == "name" else f"{noun} {number} is empty"
                )
            if first.setdefault(name, number) != number:
                both = f"{first[name]} and {number}"
                shown = repr(name[:LONGEST_SHOWN])
                raise ValueError(
                    f"classes {both} have one name, {shown}"
                    if noun == "name"
                    else f"{plural} {both} are the same, {shown}: leave one out"
                )
    return value


def _lines(name: str, path: Path, noun: str, plural: str) -> list[str]:
    shown = repr(name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}...")
    if not name or not is_file(path):
        raise ValueError(
            f"no file of {plural} lies at {shown}: give a list, or a text file with one {noun} a line"
        )
    if path.stat().st_size > MAX_BYTES:
        what = "names of classes" if noun == "name" else plural
        raise ValueError(f"{shown} has more than {MAX_BYTES:,} bytes, too many for {what}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{shown} is not UTF-8 text ({error.reason} at byte {error.start})") from None
    except OSError as error:
        raise ValueError(f"{shown} cannot be read: {error.strerror}") from None
    lines = text.removesuffix("\n").split("\n")
    if not text.strip():
        raise ValueError(f"{shown} holds no {plural}: write one a line")
    return [line.strip() for line in lines]
