"""Loading weights into modules: verify everything, then share the mapped tensors. Nothing is ever half-loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from composer.graph.checked import split_part
from composer.plugin import Layout
from composer.plugin.asking import import_object
from composer.sources.located import Located
from composer.sources.weights_error import WeightsError
from composer.weights.causes import name_causes, size_causes
from composer.weights.checkpoint import Checkpoint
from composer.weights.cures import Cures
from composer.weights.load_faults import Faults, misfit
from composer.weights.load_report import LoadReport, ModuleLoad, SourceLoad
from composer.weights.names import first_words
from composer.weights.plan import FRESH_ADAPTER, LoadPlan, fresh_reason, plan_loading
from composer.weights.slots import Slots, find_slots
from composer.weights.staged_tensors import StagedTensors, Transform, assign
from composer.weights.wrappers import unwrap

__all__ = ["SourcePart", "Transform", "load_sources", "load_weights", "transforms_of"]


@dataclass(frozen=True)
class SourcePart:
    """One checkpoint that was opened, with the modules that it fills; see `load_weights` for what is not said here."""

    checkpoint: Mapping[str, Tensor]
    modules: tuple[str, ...]
    layout: Layout | None = None
    name: str = "the checkpoint"
    """How messages call it."""
    given: str = ""
    """Who named it."""
    own: str = ""
    """The only module that it fills, whose name its keys may leave out; "" where it is for the whole document."""
    declared: tuple[str, ...] = ()
    elsewhere: frozenset[str] = frozenset()
    """Those of the declared modules that are built and take their weights from other sources."""
    fresh: Mapping[str, str] = field(default_factory=dict)
    cures: Cures = field(default_factory=Cures)
    located: Located | None = None
    usual: Layout | None = None
    """The layout of the module's own checkpoints, where none is named: read with it what does not fit as it stands."""
    only: frozenset[str] | None = None
    """The parameters that it fills, where other checkpoints fill the others of its modules; None for all."""

    averages: frozenset[str] = frozenset()
    """Those of the modules that are averages of others which are built: they may begin as these."""
    followed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Those of the modules that no task calls, each with the averages that follow it."""

    def fills(self, name: str) -> bool:
        """Whether a parameter is one that it fills."""
        return name.partition(".")[0] in self.modules and (self.only is None or name in self.only)

    def planned(
        self,
        keys: Iterable[str],
        slots: Slots,
        parameters: Mapping[str, object],
        layout: Layout | None,
    ) -> LoadPlan:
        """What becomes of keys. Those of one module's own source are read with and without its name before them."""
        names = [name for name in slots.by_name if self.fills(name)]
        inside = (name for name in slots.by_name if name.partition(".")[0] in self.modules)
        replaced = frozenset(name for name in inside if not self.fills(name))
        aliases = {name: first for name, first in slots.aliases.items() if first in slots.by_name}
        known = list(keys)

        def plan(below: str) -> LoadPlan:
            return plan_loading(
                known,
                names,
                layout,
                parameters,
                declared=self.declared,
                aliases=aliases,
                fresh=self.fresh,
                below=below,
                replaced=replaced,
                averages=self.averages,
                followed=self.followed,
            )

        named = plan("")
        if not self.own or (not named.unexpected and not named.missing):
            return named
        bare = plan(self.own)
        return named if _fit(named) > _fit(bare) else bare


def _is_whole(plan: LoadPlan) -> bool:
    return not plan.unexpected and not plan.missing


def _fit(plan: LoadPlan) -> tuple[int, int]:
    return len(plan.assignments), -len(plan.unexpected)


def load_weights(
    modules: Mapping[str, nn.Module],
    checkpoint: Mapping[str, Tensor],
    *,
    layout: Layout | None = None,
    parameters: Mapping[str, object] | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
    declared: Iterable[str] = (),
    fresh: Iterable[str] = (),
    layouts: Iterable[Layout] = (),
    changed: Iterable[str] = (),
) -> LoadReport:
    """Load one checkpoint into modules, each once, whatever number of tasks calls it.

    Tensors that need no conversion are shared with the checkpoint's memory map, so that loading takes no memory beyond
    the file. Parameters become new objects: make optimizers afterwards. Modules may stand on the meta device.

    Args:
        modules: built modules by their name in the document.
        checkpoint: what `read_checkpoint` opened, or any mapping of tensors.
        layout: how the checkpoint names its tensors; None where keys are exactly `<module>.<parameter>`.
        parameters: values of the document's parameters, which the layout's rules may depend on.
        dtype: of all floating-point weights; None keeps each module's own.
        device: None keeps each tensor where it stands (meta becomes cpu).
        declared: every module of the document; keys of modules that were not built are reported as not needed.
        fresh: modules that keep their initial weights; they may not stand on the meta device.
        layouts: layouts that there are, so that a checkpoint which one of them reads can be told.
        changed: parameters that the user gave another value, which are named first where sizes do not fit.

    Raises:
        WeightsError: one text with all missing parameters, unexpected keys, wrong shapes and dtypes, NaN and infinite
            values, and doubly claimed parameters. The modules are untouched then.
    """
    part = SourcePart(
        checkpoint,
        tuple(modules),
        layout,
        name=str(checkpoint.path) if isinstance(checkpoint, Checkpoint) else "the checkpoint",
        declared=tuple(declared),
        fresh={name: fresh_reason(name) for name in fresh},
    )
    return load_sources(
        modules,
        [part],
        parameters=parameters,
        dtype=dtype,
        device=device,
        layouts=layouts,
        changed=changed,
    )


def load_sources(
    modules: Mapping[str, nn.Module],
    parts: Sequence[SourcePart],
    *,
    parameters: Mapping[str, object] | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
    layouts: Iterable[Layout] = (),
    changed: Iterable[str] = (),
    fresh: Mapping[str, str] | None = None,
    unused: tuple[str, ...] = (),
    draw: Callable[[str], nn.Module] | None = None,
) -> LoadReport:
    """Load several checkpoints, each into modules of its own, as `load_weights` does with one: all of them or none.

    `fresh` leads from modules that no part fills to who says that they keep their initial weights; `unused` are
    sentences for the report. `draw` builds a module with initial weights: those of parameters that a layout lets a
    checkpoint lack, where the module stands on the meta device.

    Raises:
        WeightsError: one text with all that does not fit, source by source, and the modules that nothing fills.
    """
    slots = find_slots(modules)
    known = list(layouts)
    reads = [_Read(part, slots, parameters or {}, frozenset(changed)) for part in parts]
    tensors: dict[str, Tensor] = {}
    faulty = []
    for read in reads:
        staging = StagedTensors(slots, transforms_of(read.plan, read.part.layout), dtype, device, read.faults)
        staging.tensors = tensors
        for assignment in read.plan.assignments:
            staging.take(assignment, read.part.checkpoint[read.keys[assignment.key]])
        if draw is not None:
            staging.draw(read.plan, draw)
        staging.check_meta(read.plan, read.part.modules)
        if read.faults.any:
            faulty.append(read)
    if faulty:
        raise misfit([read.told(known) for read in faulty])
    assign(slots, tensors)
    # what the checkpoint does not hold: initialised parameters, transient buffers
    for module in modules.values():
        module.to(device=device, dtype=dtype)
    return _report(reads, slots, modules, fresh or {}, unused)


class _Read:
    """A part with the way in which its keys are read, and all that is found wrong with it."""

    def __init__(
        self, part: SourcePart, slots: Slots, parameters: Mapping[str, object], changed: frozenset[str]
    ) -> None:
        def planned(keys: Iterable[str], by: Layout | None = part.layout) -> LoadPlan:
            return part.planned(keys, slots, parameters, by)

        unwrapped = unwrap(part.checkpoint, planned)
        if part.usual is not None and part.layout is None and not _is_whole(unwrapped.plan):
            part = replace(part, layout=part.usual)

            def planned(keys: Iterable[str], by: Layout | None = part.layout) -> LoadPlan:
                return part.planned(keys, slots, parameters, by)

            unwrapped = unwrap(part.checkpoint, planned)
        self.part = part
        self.planned = planned
        self.plan, self.keys, self.taken = unwrapped.plan, unwrapped.keys, unwrapped.taken
        targets = tuple(name for name in slots.by_name if part.fills(name))
        self.faults = Faults(self.plan, targets, parameters, changed)

    def told(self, layouts: Iterable[Layout]) -> WeightsError:
        part, planned = self.part, self.planned
        causes = [
            *name_causes(self.plan, self.keys, planned, part.layout, layouts, part.cures),
            *size_causes(self.faults),
        ]
        given = f" ({part.given})" if part.given and not part.given.startswith("ships") else ""
        return self.faults.error(f"{part.name}{given}", part.modules, causes)

    def load(self) -> SourceLoad:
        part, plan = self.part, self.plan
        elsewhere = {key: name for key, name in plan.not_needed.items() if name in part.elsewhere}
        return SourceLoad(
            name=part.name,
            layout=None if part.layout is None else part.layout.id,
            given=part.given,
            ignored=plan.ignored,
            initialised=plan.initialised,
            not_needed={key: name for key, name in plan.not_needed.items() if key not in elsewhere},
            elsewhere=elsewhere,
            notes=(*_notes(part.checkpoint, self.taken), *_fresh_adapters(plan)),
            lacked=_lacked(plan, part.layout),
            located=part.located,
        )


def transforms_of(plan: LoadPlan, layout: Layout | None) -> dict[str, Transform]:
    """The functions that a plan changes tensors by. Raises WeightsError for one that the layout has not."""
    names = dict.fromkeys(each.transform for each in plan.assignments if each.transform is not None)
    found = {}
    for name in names:
        assert layout is not None  # only a layout's rules name transforms
        if name not in layout.transforms:
            known = ", ".join(layout.transforms) or "none"
            raise WeightsError(
                f"layout {layout.id} has a rule with the transform {name!r}, but offers {known}"
            )
        found[name] = import_object(layout.transforms[name], f"transform {name} of {layout.title}")
    return found


def _notes(checkpoint: Mapping[str, Tensor], taken: Iterable[str]) -> tuple[str, ...]:
    """How the checkpoint was read, where that is not plain."""
    read = checkpoint.notes if isinstance(checkpoint, Checkpoint) else ()
    return (*read, *(f"`{word}.` was taken off the keys" for word in taken))


def _fresh_adapters(plan: LoadPlan) -> Iterator[str]:
    """A sentence for each adapter of which the checkpoint holds nothing."""
    fresh = [name for name, reason in plan.initialised.items() if reason == FRESH_ADAPTER]
    for part in first_words(fresh):
        module, adapter = split_part(part)
        yield f"the adapter `{adapter}` of `{module}` is fresh: it changes nothing until it is trained"


def _lacked(plan: LoadPlan, layout: Layout | None) -> Mapping[str, str]:
    """What starts fresh because the layout says that its checkpoints lack it."""
    reasons = set() if layout is None else set(layout.initialised.values())
    return {name: reason for name, reason in plan.initialised.items() if reason in reasons}


def _report(
    reads: Sequence[_Read],
    slots: Slots,
    modules: Mapping[str, nn.Module],
    fresh: Mapping[str, str],
    unused: tuple[str, ...],
) -> LoadReport:
    several: dict[str, dict[str, None]] = {}
    for read in reads:
        for module in read.part.modules:
            several.setdefault(module, {})[read.part.name] = None
    sources = {module: ", ".join(names) for module, names in several.items()}
    starting = {name: f"fresh: {reason}" for read in reads for name, reason in read.part.fresh.items()}
    starting |= {name: f"fresh: {reason}" for name, reason in fresh.items()}
    initialised = {name for read in reads for name in read.plan.initialised}
    counts = {name: [0, 0, 0] for name in modules}
    begun: dict[str, str] = {}
    for name, slot in slots.unique():
        module = name.partition(".")[0]
        count = counts[module]
        if module in fresh and module not in sources:
            begun[name] = fresh[module]
        if name in initialised or name in begun:
            count[2] += 1
        else:
            count[0] += 1
            count[1] += slot.tensor.numel()
    return LoadReport(
        modules=tuple(
            ModuleLoad(name, loaded, values, left, starting.get(name) or sources.get(name, ""))
            for name, (loaded, values, left) in counts.items()
        ),
        sources=tuple(read.load() for read in reads),
        fresh=begun,
        unused=unused,
    )
