"""One colour per module, the same in all tasks of a document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["PLAIN", "module_colors"]

PLAIN = ("#ffffff", "#94a3b8")
"""Fill and line of what owns no weights."""

_PALETTE = (
    ("#dbeafe", "#2563eb"),
    ("#dcfce7", "#16a34a"),
    ("#fef3c7", "#d97706"),
    ("#fce7f3", "#db2777"),
    ("#ede9fe", "#7c3aed"),
    ("#ccfbf1", "#0d9488"),
    ("#fee2e2", "#dc2626"),
    ("#e0e7ff", "#4338ca"),
    ("#ecfccb", "#65a30d"),
    ("#ffedd5", "#ea580c"),
)


def module_colors(modules: Iterable[str]) -> Mapping[str, tuple[str, str]]:
    """Fill and line colour for each module, in the order of the document; beyond ten they repeat."""
    return {name: _PALETTE[index % len(_PALETTE)] for index, name in enumerate(modules)}
