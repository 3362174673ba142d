"""Where the weights of a document's modules begin: what the options say, opened once, and put into built modules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from composer.execution.weights_source import INITIAL, WeightsSource, fresh_modules, weights_source
from composer.graph import Checked
from composer.plugin import Layout, Registry
from composer.problems import InputError
from composer.problems.suggest import unknown
from composer.weights import Checkpoint, LoadReport, WeightsError, load_weights

__all__ = ["Start", "chosen_layout"]


@dataclass(frozen=True)
class Start:
    """A checkpoint that was opened, or initial weights, and the modules that start fresh all the same."""

    report: Checked
    registry: Registry
    source: WeightsSource | None
    checkpoint: Checkpoint | None
    layout: Layout | None
    fresh: tuple[str, ...]

    @classmethod
    def of(
        cls,
        report: Checked,
        registry: Registry,
        *,
        weights: str | Path | None,
        layout: str | None = None,
        root: str | None = None,
        init: str | Iterable[str] = (),
    ) -> Start:
        """Open what the options name. Raises InputError for a name that nothing has, WeightsError for a bad file."""
        chosen = chosen_layout(registry, layout)
        fresh = fresh_modules(report, init)
        source = weights_source(registry, report, weights)
        if source is None and root is not None:
            raise InputError(f"root= (--root) belongs to a checkpoint, and weights={INITIAL!r} reads none")
        checkpoint = None if source is None else source.read(chosen, root)
        return cls(report, registry, source, checkpoint, chosen, fresh)

    def fill(
        self,
        modules: Mapping[str, nn.Module],
        *,
        changed: Iterable[str] = (),
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> LoadReport | None:
        """Load the checkpoint, if there is one, into all modules but the fresh ones.

        `changed` names the parameters that the user gave another value. Raises WeightsError where it does not fit.
        """
        if self.source is None or self.checkpoint is None:
            return None
        document = self.report.document
        try:
            return load_weights(
                modules,
                self.checkpoint,
                layout=self.layout,
                parameters=dict(document.parameters) if document else {},
                dtype=dtype,
                device=device,
                declared=self.source.declared(self.report, self.checkpoint),
                fresh=self.fresh,
                layouts=self.registry.layouts.values(),
                changed=changed,
            )
        except WeightsError as error:
            raise (self._inherited(error) if self.source.inherited else error) from None

    def _inherited(self, error: WeightsError) -> WeightsError:
        """The same error, for weights that nobody named: where they come from, and how to do without them."""
        assert self.source is not None
        name, parent = self.report.name, self.source.document
        origin = (
            f"{name} extends {parent}, so it takes the weights that ship with {parent}, unless weights= (--weights) "
            f"names others or `{INITIAL}`.\n"
        )
        return WeightsError(f"{origin}{error}", f"{origin}{error.details}")


def chosen_layout(registry: Registry, layout: str | None) -> Layout | None:
    """The layout of that id. Raises InputError where there is none."""
    if layout is None:
        return None
    if layout not in registry.layouts:
        raise unknown("layout", layout, registry.layouts)
    return registry.layouts[layout]
