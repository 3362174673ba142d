"""Frozen modules and modules with adapters: what is declared of them, and which adapter a node calls with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.graph.checked import Call, Callee, CheckedModule, Generate, UsedPiece
from composer.graph.low_rank import CheckedAdapter, LowRank
from composer.language import ModuleShape
from composer.problems import Edit, Problem, YamlPath
from composer.problems.suggest import listed, suggest

if TYPE_CHECKING:
    from composer.graph.callees import Callees

__all__ = ["declare_training", "warn_unused_adapters", "with_adapter"]


def declare_training(callees: Callees, module: CheckedModule, shape: ModuleShape) -> bool:
    """Put what is frozen and the adapters into a module; False after reporting what is wrong with them."""
    path = module.path
    module.freeze = shape.freeze if isinstance(shape.freeze, bool) else tuple(shape.freeze)
    if module.type.stateless:
        keys = [key for key in ("freeze", "adapters") if getattr(shape, key)]
        message = (
            f"module `{module.name}` ({module.type.id}) has no weights, so it has none to freeze or adapt"
        )
        place = callees.document.tree.place((*path, keys[0]), key=True)
        callees.findings.add(Problem("C252", "error", message, place, helps=(f"remove `{keys[0]}`",)))
        return False
    adapters = {}
    for name, adapter in shape.adapters.items():
        where: YamlPath = (*path, "adapters", name)
        if callees.findings.touches(where):
            continue
        config = callees.reader.read(LowRank, adapter.with_, where, f"adapter `{name}`")
        if isinstance(config, LowRank):
            adapters[name] = CheckedAdapter(name, config, where)
    module.adapters = adapters
    return len(adapters) == len(shape.adapters)


def with_adapter(callees: Callees, callee: Callee, name: str, path: YamlPath) -> Callee | None:
    """The callee with the adapter that its node names; None after reporting C250."""
    module = callee.module
    place = callees.document.tree.place((*path, "adapter"))
    if isinstance(callee, (Call, Generate)) and name in module.adapters:
        callees.adapted.add((module.name, name))
        return replace(callee, adapter=name)
    declared = callees.document.shape.modules.get(module.name)
    if declared is not None and callees.findings.is_silent((*module.path, "adapters")):
        return None
    message = f"module `{module.name}` has no adapter `{name}`"
    helps, fix = tuple[str, ...](), tuple[Edit, ...]()
    if isinstance(callee, UsedPiece):
        message = f"node `{path[-1]}` uses a piece, and a piece has no adapters"
        helps = (
            "name the adapter at the nodes inside; a parameter of the piece can say which: `adapter: $which`",
        )
    elif not isinstance(callee, (Call, Generate)):
        message = f"node `{path[-1]}` uses a module type without weights, which has no adapters"
        helps = ("leave `adapter` out",)
    elif not module.adapters:
        helps = (f"declare it under `adapters` of module `{module.name}`, or leave `adapter` out",)
    else:
        meant = suggest(name, module.adapters, place, coined=True, used=_used(callees, module.name))
        helps = (*meant.helps, f"its adapters: {listed(name, module.adapters)}")
        fix = meant.fix
        if meant.word is not None:
            callees.adapted.add((module.name, meant.word))
    callees.findings.add(Problem("C250", "error", message, place, helps=helps, fix=fix))
    return None


def _used(callees: Callees, module: str) -> set[str]:
    return {adapter for name, adapter in callees.adapted if name == module}


def warn_unused_adapters(callees: Callees) -> None:
    """C251: adapters that no node calls with; silent where a fault in a task or a piece hides which one is meant."""
    if any(callees.findings.is_silent_within((section,)) for section in ("tasks", "pieces")):
        return
    for name, module in callees.modules.items():
        for adapter in module.adapters.values():
            if (name, adapter.name) not in callees.adapted and name in callees.called:
                place = callees.document.tree.place(adapter.path, key=True)
                message = f"no node calls module `{name}` with its adapter `{adapter.name}`"
                helps = (f"write `adapter: {adapter.name}` in a node that calls `{name}`, or remove it",)
                callees.findings.add(Problem("C251", "warning", message, place, helps=helps))
