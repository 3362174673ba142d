"""Where a document's weights come from: a path, a shipped document's name, or what ships with the document."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from composer.graph import Checked
from composer.plugin import Document, Layout, Registry
from composer.problems import InputError
from composer.problems.suggest import unknown
from composer.weights import Checkpoint, read_checkpoint
from composer.weights.names import first_words
from composer.weights.roots import ROOTS

__all__ = ["INITIAL", "WeightsSource", "fresh_modules", "weights_source"]

INITIAL = "initial"
"""As `weights`: keep the initial (random) weights, for training and tests."""


@dataclass(frozen=True)
class WeightsSource:
    """A checkpoint on disk. `document` names the shipped document that it belongs to, where it belongs to one."""

    path: Path
    document: str | None = None
    inherited: bool = False
    """Whether it was found through `extends` alone, without anybody naming it."""

    def read(self, layout: Layout | None, root: str | None) -> Checkpoint:
        """Open it; a layout's roots come before the usual ones. Raises InputError for an empty root."""
        if root is not None and not root.strip("."):
            raise InputError("the root is empty: name an entry of the checkpoint with root= (--root)")
        roots = tuple(dict.fromkeys((*layout.roots, *ROOTS))) if layout is not None else ROOTS
        return read_checkpoint(self.path, roots=roots, root=root)

    def declared(self, report: Checked, checkpoint: Mapping[str, object]) -> tuple[str, ...]:
        """Modules whose keys may be left over: the document's own, and those of the document that has the weights."""
        others = first_words(checkpoint) if self.document is not None else ()
        return tuple(dict.fromkeys((*report.modules, *others)))


def weights_source(registry: Registry, report: Checked, given: str | Path | None) -> WeightsSource | None:
    """What `weights` means; None for initial weights.

    A path that exists is a path. Left out, the weights that ship with the document are meant, or with the nearest
    document that it extends.

    Raises:
        InputError: nothing was given and nothing ships, or the name is empty.
    """
    if given is None:
        return _shipped(registry, report)
    name = str(given)
    if name == "":
        raise InputError(
            f"the name of the weights is empty: name a checkpoint, or `{INITIAL}` for random ones"
        )
    if name == INITIAL:
        return None
    known = registry.documents.get(name)
    if known is None or os.path.exists(name):
        return WeightsSource(Path(given))
    if known.weights is None:
        raise InputError(f"the document {name} ships no weights: name a checkpoint with weights= (--weights)")
    return WeightsSource(known.weights, name)


def _shipped(registry: Registry, report: Checked) -> WeightsSource:
    document = report.document
    own = document.path if document is not None else None
    ancestors = document.ancestors if document is not None else ()
    for path in (*([own] if own is not None else []), *ancestors):
        entry = _entry_of(registry.documents.values(), path)
        if entry is not None and entry.weights is not None:
            return WeightsSource(entry.weights, entry.id, inherited=path != own)
    raise InputError(
        f"{report.name} ships no weights: name a checkpoint with weights= (--weights), "
        f"or weights='{INITIAL}' for random ones"
    )


def _entry_of(entries: Iterable[Document], path: Path) -> Document | None:
    return next((entry for entry in entries if entry.path.resolve() == path.resolve()), None)


def fresh_modules(report: Checked, init: str | Iterable[str]) -> tuple[str, ...]:
    """The modules that start with fresh weights. Raises InputError for a name that the document does not declare."""
    names = (init,) if isinstance(init, str) else tuple(init)
    for name in names:
        if name not in report.modules:
            raise unknown("module", name, report.modules, report.name)
    return names
