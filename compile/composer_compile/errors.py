"""What can go wrong while compiling, and with an artifact."""

from __future__ import annotations

from composer.problems import ComposerError

__all__ = ["ArtifactError", "BackendError", "CompileError"]


class CompileError(ComposerError):
    """A task that cannot be compiled as asked; nothing was written."""


class ArtifactError(ComposerError):
    """An artifact that is damaged, foreign, or made for another machine; nothing of it was used."""


class BackendError(ComposerError):
    """A backend that is not installed or cannot work here."""
