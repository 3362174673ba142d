"""Where the weights of a document's modules begin: what the options say, opened once, and put into built modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn

from composer.execution.averages import averages_of
from composer.execution.program import build_module
from composer.graph import Checked
from composer.plugin import Layout, Registry
from composer.plugin.asking import ask
from composer.problems.suggest import unknown
from composer.sources import INITIAL, Chosen, ChosenSources, GivenNames, GivenWeights, choose
from composer.sources.choosing import adapters_of
from composer.sources.found_source import FoundSource
from composer.sources.given import options_for
from composer.sources.held_lock import Held, hold_sources
from composer.sources.located import Located
from composer.sources.trained_alone import BeganWith
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
    below: tuple[Opened, ...] = ()
    """Where the rest lies, of a checkpoint that holds what was trained alone."""


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
        found = hold_sources(report, choice, held)
        opened = tuple(_open(source, layout, registry) for source, layout in zip(found, layouts, strict=True))
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
        uncalled: Mapping[str, frozenset[str]] | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> LoadReport | None:
        """Load all sources, each into its modules; None where there are none.

        `changed` names the parameters that the user gave another value, `uncalled` the modules that stand for averages
        alone, with these. Raises WeightsError where one does not fit.
        """
        if self.is_initial:
            return None
        self._hold_lacking(modules)
        try:
            return load_sources(
                modules,
                [
                    replace(part, followed=uncalled or {})
                    for each in self.opened
                    for part in self._parts(each, modules)
                ],
                parameters=dict(self.report.document.parameters),
                dtype=dtype,
                device=device,
                layouts=self.registry.layouts.values(),
                changed=changed,
                fresh=self.fresh,
                unused=self.choice.unused,
                draw=self._drawn,
            )
        except WeightsError as error:
            inherited = next((each.chosen for each in self.opened if each.chosen.inherited), None)
            raise (error if inherited is None else self._inherited(error, inherited)) from None

    def _drawn(self, name: str) -> nn.Module:
        """A declared module with initial weights."""
        declared = self.report.modules[name]
        return build_module(declared.type, declared.config)

    def _parts(self, opened: Opened, modules: Mapping[str, nn.Module]) -> Iterator[SourcePart]:
        """What fills the modules of a source: its checkpoint, and those below where it holds what was trained alone."""
        own = self._part(opened, modules)
        if not opened.below:
            yield own
            return
        slots = find_slots({name: modules[name] for name in own.modules})
        left = set(slots.by_name)
        layers: list[tuple[Opened, set[str]]] = []

        def take(layer: Opened, wanted: set[str]) -> None:
            held = (
                {name for name in wanted if slots.first(name) in layer.checkpoint} if layer.below else wanted
            )
            layers.append((layer, held))
            left.difference_update(held)
            for each in sorted(layer.below, key=lambda it: it.chosen.whole):
                of_each = each.chosen.modules
                take(
                    each,
                    {
                        name
                        for name in left & wanted
                        if each.chosen.whole or name.partition(".")[0] in of_each
                    },
                )

        take(opened, set(left))
        layers[0][1].update(left)  # what nothing holds is missing from the first
        for layer, names in layers:
            owners = {name.partition(".")[0] for name in names}
            part = own if layer is opened else self._part(layer, modules)
            filled = tuple(name for name in own.modules if name in owners)
            elsewhere = frozenset(modules) - set(filled)
            yield replace(part, modules=filled, only=frozenset(names), elsewhere=elsewhere)

    def began_with(self) -> list[tuple[BeganWith, Located]]:
        """The sources, for a checkpoint that leaves out what is in them."""
        return [
            (
                BeganWith(it.chosen.declared, it.chosen.modules, it.chosen.whole, it.chosen.document),
                it.located,
            )
            for it in self.opened
        ]

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
            declared=tuple(dict.fromkeys((*self.report.modules, *adapters_of(self.report), *of_document))),
            elsewhere=frozenset(modules) - set(built),
            averages=frozenset(
                name for name, average in averages_of(self.report).items() if average.of in modules
            ),
            fresh=starting,
            located=opened.located,
            cures=self._cures(chosen),
            usual=self._usual(own),
        )

    def _usual(self, module: str) -> Layout | None:
        """The layout that the type of a module says its checkpoints have."""
        declared = self.report.modules.get(module)
        if declared is None or declared.type.layout is None:
            return None
        what = f"`layout` of {declared.type.title}"
        named = ask(declared.type.layout, declared.config, what=what)
        return None if named is None else chosen_layout(self.registry, str(named))

    def _cures(self, chosen: Chosen) -> Cures:
        """How to write what this source wants."""
        if not chosen.whole:
            return Cures(chosen.modules[0], "" if chosen.given.startswith("--") else chosen.given)
        own = self.report.modules  # an adapter, which is filled beside them, declares none
        declared = {name: own[name].weights for name in chosen.modules if name in own}
        return Cures(
            replaced={
                name: options_for(name, source) for name, source in declared.items() if source is not None
            }
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


def _open(source: FoundSource, layout: Layout | None, registry: Registry) -> Opened:
    """Open a source and all below it; a layout's roots come before the usual ones."""
    declared = source.chosen.declared
    roots = tuple(dict.fromkeys((*layout.roots, *ROOTS))) if layout is not None else ROOTS
    checkpoint = read_checkpoint(
        source.located.path, roots=roots, root=declared.root or None, prefix=declared.prefix
    )
    below = [
        _open(base, chosen_layout(registry, base.chosen.declared.layout or None), registry)
        for base in source.below
    ]
    return Opened(source.chosen, source.located, checkpoint, layout, tuple(below))


def chosen_layout(registry: Registry, layout: str | None) -> Layout | None:
    """The layout of that id. Raises InputError where there is none."""
    if layout is None:
        return None
    if layout not in registry.layouts:
        raise unknown("layout", layout, registry.layouts)
    return registry.layouts[layout]
