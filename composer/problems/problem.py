"""Problems: the findings of the checker, and the one exception root of the project."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from composer.problems.effects import Effect, effects_of
from composer.problems.place import Place

__all__ = ["ComposerError", "DocumentError", "Edit", "InputError", "Note", "Problem", "UndefinedScoreError"]

Severity = Literal["error", "warning"]
MAX_TEXT = 1200
"""Characters of a message, a label or a hint."""


@dataclass(frozen=True, slots=True)
class Note:
    """A second place that explains the first: why a value is what it is."""

    place: Place
    label: str


@dataclass(frozen=True, slots=True)
class Edit:
    """A mechanical change: the text between two character offsets of a file is replaced."""

    file: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding: what is wrong (`message`), where (`place`, with a `label` under the marks), why (`notes`), and what
    to write instead (`helps`). `fix` holds the edits that `--fix` applies when the cure is mechanical.
    """

    code: str
    severity: Severity
    message: str
    place: Place
    label: str = ""
    notes: tuple[Note, ...] = ()
    helps: tuple[str, ...] = ()
    fix: tuple[Edit, ...] = ()

    def __post_init__(self) -> None:
        """What quotes a value of the document quotes no more of it than people read."""
        for name in ("message", "label"):
            object.__setattr__(self, name, cut(getattr(self, name)))
        object.__setattr__(self, "helps", tuple(map(cut, self.helps)))

    def has(self, effect: Effect) -> bool:
        """Whether problems of this code have an effect on their surroundings."""
        return effect in effects_of(self.code)

    def __str__(self) -> str:
        return f"{self.place}: {self.severity}[{self.code}]: {self.message}"


def cut(text: str) -> str:
    """A text without its middle, where it is long."""
    if len(text) <= MAX_TEXT:
        return text
    return f"{text[: MAX_TEXT * 2 // 3]} … {text[-MAX_TEXT // 3 :]}"


class ComposerError(Exception):
    """The root of every error that this project raises on purpose. Its text is one clear sentence or a short list."""


class InputError(ComposerError):
    """A file, value or request from outside that cannot be used."""

    input: str = ""
    """The input of a task that refuses a value; empty where it is about something else."""


class UndefinedScoreError(InputError):
    """A metric has no score for these samples, such as a correlation of numbers that are all the same.

    `composer evaluate` says so beside the other scores; training goes on, and tells no number.
    """


class DocumentError(ComposerError):
    """A document with errors; `problems` holds all of them, in source order; `sources` the text of the files."""

    def __init__(self, problems: Iterable[Problem], sources: Mapping[str, str] | None = None) -> None:
        self.problems = tuple(problems)
        self.sources = dict(sources or {})
        super().__init__("\n".join(map(str, self.problems)))
