"""Annotation files of benchmarks, as rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from composer.plugin.declarations.base import Declaration

__all__ = ["RowFormat"]


@dataclass(frozen=True)
class RowFormat(Declaration):
    """How a benchmark writes its annotations. `--data ID:FILE` reads such files as rows of a user's own data.

    `reader(files, media)` is a `composer.plugin.RowFormatImplementation`: it gives the samples one after the other.
    """

    noun: ClassVar[str] = "format"
    references: ClassVar[tuple[str, ...]] = ("reader",)
    reader: str
    summary: str
    file_names: tuple[str, ...]
    """What its files are, in the order in which they are named: `("questions.json", "annotations.json")`."""
    optional_files: int = 0
    """How many of them, from the end, may be left out."""
    gives: tuple[str, ...] = ()
    """The columns of its rows; a test split may lack those with what is right."""
    media: tuple[str, ...] = ()
    """The columns that name files."""
    packages: tuple[str, ...] = ()
    """Distributions that it reads with."""
