"""The backends that ship with the project, as declarations. Imports no torch."""

from __future__ import annotations

from composer.plugin import Backend

__all__ = ["BACKENDS"]

BACKENDS: tuple[Backend, ...] = (
    Backend(
        "export",
        "composer_compile.backends.export:ExportBackend",
        "torch.export programs: run wherever torch runs, with its own kernels.",
    ),
)
