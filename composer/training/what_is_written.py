"""What a run writes: all weights, or what was trained alone, the rest being in the sources that it began with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from composer.execution import Start
from composer.sources.located import Located
from composer.sources.trained_alone import BeganWith, metadata_of
from composer.training.programs import Programs
from composer.weights.names import first_words

__all__ = ["TrainedAlone", "counts_of"]


@dataclass(frozen=True)
class TrainedAlone:
    """The names that are left out of what is written, and the sources where they lie."""

    left_out: frozenset[str] = field(default=frozenset(), repr=False)
    began_with: tuple[tuple[BeganWith, Located], ...] = ()
    document: str = ""
    """The document, where what is written holds adapters: it says what they belong to."""

    @classmethod
    def of(cls, programs: Programs, start: Start) -> TrainedAlone:
        """Leave out what is frozen and was loaded; what is frozen and was drawn is nowhere else, and is written."""
        document = start.report.name if programs.parts.layers else ""
        loading = programs.loading
        if loading is None:
            return cls(document=document)
        left_out = programs.parts.frozen_tensors() - loading.initialised.keys()
        if not left_out:
            return cls(document=document)
        return cls(left_out, tuple(start.began_with()), document)

    def metadata(self, folder: Path) -> dict[str, str] | None:
        """What the file in a folder says of itself."""
        of = {"document": self.document} if self.document else {}
        alone = metadata_of(self.began_with, self.modules, folder) if self.left_out else {}
        return {**of, **alone} or None

    @property
    def digest(self) -> str:
        """Tells the sources from others."""
        return " ".join(located.digest for _, located in self.began_with)

    @property
    def source(self) -> str:
        """The sources, for people."""
        return ", ".join(located.name for _, located in self.began_with)

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules of which something is left out."""
        return tuple(first_words(sorted(self.left_out)))


def counts_of(programs: Programs) -> dict[str, Mapping[str, Any]]:
    """How many parameters of each module are trained and how many are frozen, where some are."""
    if not programs.parts.frozen and not programs.parts.layers:
        return {}
    trained, frozen = dict[str, int](), dict[str, int]()
    for name, module in programs.modules_by_name.items():
        for parameter in module.parameters():
            table = trained if parameter.requires_grad else frozen
            table[name] = table.get(name, 0) + parameter.numel()
    return {"trained": trained, "frozen": frozen}
