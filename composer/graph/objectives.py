"""What an objective can train: a search passes no gradient, and a loss must come from a module that learns."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from composer.graph.checked import Callee, CheckedModule, Endpoint, Generate, Wired, endpoints_of
from composer.graph.wires import Wires
from composer.language import ObjectiveShape, Resolved
from composer.plugin import Registry
from composer.problems import Note, Place, Problem, Scope, YamlPath
from composer.types import PortType

if TYPE_CHECKING:
    from composer.graph.tasks import TaskChecker

__all__ = ["check_objective"]

WHY = "a search picks tokens, and picking has no gradient: what comes before it would not be trained"
CURE = "score given texts instead: `call` the decoder with the tokens of an input of the objective"


def check_objective(
    checker: TaskChecker, objective: ObjectiveShape, wires: Wires, loss: Endpoint | None, own: Scope
) -> None:
    """C223, C224 and C253: a search in the objective, a loss that trains nothing."""
    findings, document, edges = checker.findings, checker.callees.document, checker.edges
    where = (*checker.path, "objective", "loss")
    nodes = {name: (place, training) for name, (_, place, training) in checker.nodes.items()}
    nodes |= {name: (item.path, item.training) for name, item in checker.inputs.items()}
    searches = {
        name: nodes[name][1] for name, callee in checker.resolved.items() if isinstance(callee, Generate)
    }
    kind = edges.types[loss].kind if loss in edges.types else None
    scalar = loss if kind == "scalar" else None  # what is not a scalar is told as such (C219)
    findings.extend(_searches_in_the_way(wires, nodes, searches, scalar, where, document))
    if loss is None or own.failed or any(map(checker.is_silent, checker.names)):
        return
    learns, frozen = _trained_by(
        loss, checker.inputs, checker.resolved, checker.sources, edges.types, checker.callees.registry
    )
    place = document.tree.place(where)
    if not learns and frozen:
        findings.add(_all_frozen(objective.loss, frozen, place, document))
    elif not learns:
        findings.add(_nothing_to_train(objective.loss, place))


def _searches_in_the_way(
    wires: Wires,
    nodes: Mapping[str, tuple[YamlPath, bool]],
    searches: Mapping[str, bool],
    loss: Endpoint | None,
    where: YamlPath,
    document: Resolved,
) -> Iterator[Problem]:
    """C223: a `generate` node inside an objective, or one of the task that its loss reads.

    `nodes` gives path and membership of the objective of every node, `searches` the membership of the `generate` nodes;
    `where` is the path of the loss.
    """
    tree = document.tree
    for name, training in searches.items():
        if training:
            message = f"node `{name}` generates inside an objective"
            place = tree.place((*nodes[name][0], "generate"))
            yield Problem("C223", "error", message, place, helps=(WHY, CURE))
    if loss is None or loss[0] not in wires:
        return
    needed = wires.before([loss[0]])
    for name in (name for name, training in searches.items() if not training and name in needed):
        reached = wires.after([name]) & needed
        crossing = [
            wire.path
            for wire in wires
            if {wire.source, wire.target} <= reached and nodes[wire.target][1] and not nodes[wire.source][1]
        ]
        place = min((tree.place(path) for path in crossing), default=tree.place(where))
        message = f"the loss reads what the search `{name}` writes"
        yield Problem("C223", "error", message, place, helps=(WHY, CURE))


def _trained_by(
    loss: Endpoint,
    inputs: Collection[str],
    callees: Mapping[str, Callee],
    sources: Mapping[str, Mapping[str, Wired]],
    types: Mapping[Endpoint, PortType],
    registry: Registry,
) -> tuple[bool, list[CheckedModule]]:
    """Whether a module that learns reaches the loss along values that carry a gradient (ids and counts do not), and
    the modules on the way whose weights are all frozen."""
    waiting, seen = [loss], {loss}
    frozen: dict[str, CheckedModule] = {}
    while waiting:
        node = waiting.pop()[0]
        if node in inputs:
            continue
        callee = callees.get(node)
        if callee is None:  # a node with a fault of its own
            return True, []
        if isinstance(callee, Generate):
            continue
        if not callee.module.type.stateless and callee.module.average is None:
            if callee.module.freeze is not True or callee.adapter:
                return True, []
            frozen[callee.module.name] = callee.module
        for source in sources.get(node, {}).values():
            for endpoint in endpoints_of(source):
                if endpoint not in seen and _carries_gradient(types.get(endpoint), registry):
                    seen.add(endpoint)
                    waiting.append(endpoint)
    return False, list(frozen.values())


def _nothing_to_train(loss: str, place: Place) -> Problem:
    """C224."""
    message = f"no module that learns reaches the loss {loss}: there is nothing to train"
    helps = ("read a node that calls a module with weights; ids, classes and counts carry no gradient",)
    return Problem("C224", "error", message, place, helps=helps)


def _all_frozen(loss: str, frozen: list[CheckedModule], place: Place, document: Resolved) -> Problem:
    """C253."""
    names = ", ".join(f"`{module.name}`" for module in frozen)
    message = f"every module that the loss {loss} reaches is frozen ({names}): there is nothing to train"
    notes = tuple(
        Note(document.tree.place((*module.path, "freeze"), key=True), f"`{module.name}` is frozen here")
        for module in frozen
    )
    helps = (
        "leave `freeze` out of one of them, list what is frozen of it, or call it with an adapter; a task that is not "
        "to be trained needs no objective (`objective: null`)",
    )
    return Problem("C253", "error", message, place, notes=notes, helps=helps)


def _carries_gradient(port: PortType | None, registry: Registry) -> bool:
    """An unknown type may carry one."""
    if port is None:
        return True
    return any(field.dtype == "float" for field in registry.kinds[port.kind].fields.values())
