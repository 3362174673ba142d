"""Where the weights of a document's modules begin: what the options say, opened once, and put into built modules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from composer.graph import Checked
from composer.plugin import Layout, Registry
from composer.problems.suggest import unknown
from composer.sources import INITIAL, Chosen, ChosenSources, GivenNames, GivenWeights, choose
from composer.sources.held_lock import Held, hold_sources
from composer.sources.located import Located
from composer.weights import (
    Checkpoint,
    Cures,
    LoadReport,
    SourcePart,
    WeightsError,
    load_sources,
    read_checkpoint,
)
from composer.weights.names import first_words
from composer.weights.roots import ROOTS
from composer.weights.slots import find_slots

__all__ = ["Opened", "Start", "chosen_layout"]


@dataclass(frozen=True)
class Opened:
    """A source whose checkpoint was opened."""

    chosen: Chosen
    located: Located
    checkpoint: Checkpoint
    layout: Layout | None


@dataclass(frozen=True)
class Start:
    """The sources of all modules, opened, and the modules that start fresh."""

    report: Checked
    registry: Registry
    choice: ChosenSources
    opened: tuple[Opened, ...]

    @classmethod
    def of(
        cls,
        report: Checked,
        registry: Registry,
        *,
        weights: GivenWeights,
        layout: GivenNames = None,
        root: GivenNames = None,
        init: str | Iterable[str] = (),
        needed: Iterable[str] | None = None,
        otherwise: str | None = None,
        held: Held | None = None,
    ) -> Start:
        """Open what the options and the document name for the `needed` modules, where a lock that is held allows it.

        Raises InputError for a name that nothing has and for what differs from the lock, WeightsError for a bad file.
        """
        choice = choose(
            report,
            registry,
            weights=weights,
            layout=layout,
            root=root,
            init=init,
            needed=needed,
            otherwise=otherwise,
        )
        layouts = [
            chosen_layout(registry, source.declared.layout or None) for source in choice.sources
        ]  # before anything is read or fetched
        located = hold_sources(report, choice, held)
        opened = tuple(map(_open, choice.sources, located, layouts))
        return cls(report, registry, choice, opened)

    @property
    def is_initial(self) -> bool:
        """Whether nothing is read: every module has its initial weights."""
        return self.choice.is_initial

    @property
    def fresh(self) -> Mapping[str, str]:
        """Modules that start fresh, to who says so."""
        return self.choice.fresh

    def fill(
        self,
        modules: Mapping[str, nn.Module],
        *,
        changed: Iterable[str] = (),
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> LoadReport | None:
        """Load all sources, each into its modules; None where there are none.

        `changed` names the parameters that the user gave another value. Raises WeightsError where one does not fit.
        """
        if self.is_initial:
            return None
        self._hold_lacking(modules)
        try:
            return load_sources(
                modules,
                [self._part(each, modules) for each in self.opened],
                parameters=dict(self.report.document.parameters),
                dtype=dtype,
                device=device,
                layouts=self.registry.layouts.values(),
                changed=changed,
                fresh=self.fresh,
                unused=self.choice.unused,
            )
        except WeightsError as error:
            inherited = next((each.chosen for each in self.opened if each.chosen.inherited), None)
            raise (error if inherited is None else self._inherited(error, inherited)) from None

    def _part(self, opened: Opened, modules: Mapping[str, nn.Module]) -> SourcePart:
        """The source as what fills its modules; one for the whole document may hold what is not wanted of it."""
        chosen = opened.chosen
        of_document = first_words(opened.checkpoint) if chosen.document is not None else ()
        starting = self.fresh if chosen.whole else {}
        built = (*chosen.modules, *(name for name in starting if name in modules))
        own = "" if chosen.whole else chosen.modules[0]
        return SourcePart(
            opened.checkpoint,
            tuple(name for name in modules if name in built),
            opened.layout,
            name=str(opened.checkpoint.path) if chosen.declared.sort == "file" else opened.located.name,
            given=chosen.given,
            own=own,
            declared=tuple(dict.fromkeys((*self.report.modules, *of_document))),
            elsewhere=frozenset(modules) - set(built),
            fresh=starting,
            located=opened.located,
            cures=Cures(own, "" if chosen.given.startswith("--") else chosen.given) if own else Cures(),
        )

    def _hold_lacking(self, modules: Mapping[str, nn.Module]) -> None:
        """Raise WeightsError where a module has weights and nothing says what they are."""
        lacking = {name: modules[name] for name in self.choice.lacking if name in modules}
        names = first_words(find_slots(lacking).by_name)
        if names:
            listed = " and ".join(f"`{name}`" for name in names)
            joined = ",".join(names)
            raise WeightsError(
                f"nothing says where the weights of {listed} come from: name a source under `weights` of the module, "
                f"or by --weights {names[0]}=FILE (weights={{{names[0]!r}: FILE}}), or start fresh with "
                f"`weights: fresh` or --init {joined} (init={names!r})"
            )

    def _inherited(self, error: WeightsError, chosen: Chosen) -> WeightsError:
        """The same error, for weights that nobody named: where they come from, and how to do without them."""
        name, parent = self.report.name, chosen.document
        origin = (
            f"{name} extends {parent}, so it takes the weights that ship with {parent}, unless weights= (--weights) "
            f"names others or `{INITIAL}`.\n"
        )
        return WeightsError(f"{origin}{error}", f"{origin}{error.details}")


def _open(chosen: Chosen, located: Located, layout: Layout | None) -> Opened:
    """Find a source and open it; a layout's roots come before the usual ones."""
    declared = chosen.declared
    roots = tuple(dict.fromkeys((*layout.roots, *ROOTS))) if layout is not None else ROOTS
    checkpoint = read_checkpoint(
        located.path, roots=roots, root=declared.root or None, prefix=declared.prefix
    )
    return Opened(chosen, located, checkpoint, layout)


def chosen_layout(registry: Registry, layout: str | None) -> Layout | None:
    """The layout of that id. Raises InputError where there is none."""
    if layout is None:
        return None
    if layout not in registry.layouts:
        raise unknown("layout", layout, registry.layouts)
    return registry.layouts[layout]
