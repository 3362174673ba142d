"""Places: where in a document something stands."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Place", "YamlPath"]

YamlPath = tuple[str | int, ...]
"""Keys and positions that lead from the root of a document to a value: `("tasks", "qa", "nodes", "answer", "of")`."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A span of one file. Lines and columns count from 1; the end column is exclusive.

    `start` and `end` are character offsets into the text, for edits.
    """

    file: str
    line: int
    column: int
    end_line: int = 0
    end_column: int = 0
    start: int = 0
    end: int = 0

    @property
    def is_in_file(self) -> bool:
        """Whether `file` is one; `<command line>` is not."""
        return not self.file.startswith("<")

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"
