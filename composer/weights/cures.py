"""How to write what a checkpoint wants where its source was named: on the command line, or in a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Cures"]


@dataclass(frozen=True)
class Cures:
    """The words for one source. `module` is the one that it is for; `place` is the document's line that names it."""

    module: str = ""
    place: str = ""
    replaced: Mapping[str, str] = field(default_factory=dict)
    """Modules whose own weights this source replaces, to the options that keep them."""

    def layout(self, id: str) -> str:
        if self.place:
            return f"write `layout: {id}` among the weights of `{self.module}` ({self.place})"
        if self.module:
            return f"add --layout {self.module}={id}"
        return f"add --layout {id} (layout={id!r})"

    def root(self, words: str) -> str:
        if self.place:
            return f"`prefix: {words}` among the weights of `{self.module}` ({self.place})"
        if self.module:
            return f"--root {self.module}={words}"
        return f"--root {words} (root={words!r})"

    def fresh(self, modules: Sequence[str]) -> str:
        return f"--init {','.join(modules)} (init={list(modules)!r})"
