"""What a broken document must be told, with the place as a person marked it in the text, not as the checker gave it.

A line of `NAME.expected` reads `severity code text`, where `text` is a piece of the document that occurs there once,
with the offending part between « and »; `⏎` stands for a line's end. `@FILE` before the text names another file that
the place lies in. A file that cannot be read has its problem at its start: `«»`.

The marks of seven documents follow the checker where a person may well point elsewhere: a map written as a list (the
key or its first entry), a missing version, the limit on depth, a circle of parents, a brace never closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Expectation", "expectations"]


@dataclass(frozen=True)
class Expectation:
    """One problem: severity, code and `line:column`, counted here from the marked text."""

    severity: str
    code: str
    place: str

    def __str__(self) -> str:
        return f"{self.severity} {self.code} {self.place}"


def expectations(document: Path) -> list[Expectation]:
    """The expectations beside a document, in source order."""
    lines = document.with_suffix(".expected").read_text(encoding="utf-8").splitlines()
    return [_expectation(line, document) for line in lines]


def _expectation(line: str, document: Path) -> Expectation:
    severity, code, marked = line.split(" ", 2)
    where = ""
    if marked.startswith("@"):
        where, marked = marked.removeprefix("@").split(" ", 1)
    text = (document.parent / where if where else document).read_bytes().decode("utf-8", "replace")
    before, rest = marked.replace("⏎", "\n").split("«")
    found = before + rest.replace("»", "", 1)
    assert not found or text.count(found) == 1, (
        f"{document.name}: `{found}` stands there {text.count(found)} times"
    )
    start = text.index(found) + len(before)
    number = text.count("\n", 0, start) + 1
    column = start - text.rfind("\n", 0, start)
    return Expectation(severity, code, f"{where}:{number}:{column}" if where else f"{number}:{column}")
