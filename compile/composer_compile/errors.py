"""What can go wrong while compiling, and with an artifact."""

from __future__ import annotations

from composer.problems import ComposerError

__all__ = [
    "ArtifactError",
    "BackendError",
    "BuilderEndedError",
    "CompileError",
    "SpecialSizeError",
    "TemporaryFolderError",
]


class CompileError(ComposerError):
    """A task that cannot be compiled as asked; nothing was written."""


class SpecialSizeError(CompileError):
    """One program cannot serve size 1 of a free dimension and larger ones; a program for each can."""


class BuilderEndedError(CompileError):
    """A library's builder ended the process that it ran in; the process of the command goes on."""


class ArtifactError(ComposerError):
    """An artifact that is damaged, foreign, or made for another machine; nothing of it was used."""


class BackendError(ComposerError):
    """A backend that is not installed or cannot work here."""


class TemporaryFolderError(ComposerError):
    """The folder for temporary files is missing, full, read-only or noexec."""
