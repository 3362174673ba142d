"""What a task says under `compile:`, held against the task: free dimensions with a range, nodes with a precision."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from composer.graph.ranges import BATCH, beyond_limits, free_dims, parse_range
from composer.language import CompileShape, NodeShape, Resolved
from composer.problems import Problem, YamlPath
from composer.problems.suggest import listed, suggest
from composer.types import UNBOUNDED

if TYPE_CHECKING:
    from composer.graph.tasks import TaskChecker

__all__ = ["check_compile"]


def check_compile(checker: TaskChecker) -> Iterator[Problem]:
    """C111 and C112 of one task."""
    shape, path, document = checker.shape.compile, checker.path, checker.callees.document
    uses = {name for name, node in checker.shape.nodes.items() if node.piece is not None}
    nodes = checker.shape.nodes if checker.expansion is None else checker.expansion.shapes()
    if shape.ranges:
        yield from _check_ranges(shape, path, document, _free_dims(checker), checker.lacks_types)
    unread = frozenset() if checker.expansion is not None else uses
    yield from _check_precisions(shape, path, document, nodes, checker.callees.declared, unread)


def _free_dims(checker: TaskChecker) -> dict[str, tuple[int, int]]:
    """The free dimensions by name, with the sizes that the modules take."""
    types, kinds = checker.edges.normalised(checker.edges.types), checker.callees.registry.kinds
    inputs = {
        name: {port: types.get((name, port), declared) for port, declared in item.ports.items()}
        for name, item in checker.inputs.items()
    }
    made = {
        name: {
            port: types[name, port]
            for port in callee.signature.outputs
            if (name, port) in types and not kinds[types[name, port].kind].has_objects
        }
        for name, callee in checker.resolved.items()
        if checker.is_on_host(callee)
    }
    table = free_dims({**inputs, **made}, kinds, checker.edges.solver.ranges)
    return {BATCH: (1, UNBOUNDED), **{name: found.limits for name, found in table.items()}}


def _check_ranges(
    shape: CompileShape,
    path: YamlPath,
    document: Resolved,
    free: Mapping[str, tuple[int, int]],
    is_broken: Callable[[str], bool],
) -> Iterable[Problem]:
    """C111: a range of what is not free, that is none, or that modules do not take.

    `free` holds the free dimensions with the sizes that the modules take; `is_broken` tells inputs and nodes with a
    problem of their own, or of what they read.
    """
    tree = document.tree
    for name, text in shape.ranges.items():
        where = (*path, "compile", "ranges", name)
        if name in free:
            try:
                found = parse_range(text)
            except ValueError as error:
                yield Problem("C111", "error", str(error), tree.place(where))
                continue
            beyond = beyond_limits(name, found, free[name])
            if beyond is not None:
                yield Problem("C111", "error", beyond, tree.place(where))
        elif not is_broken(name.partition(".")[0]):
            meant = suggest(name, sorted(free), None)
            helps = (*meant.helps, f"free: {listed(name, sorted(free))}")
            message = f"`{name}` is not a free dimension of this task"
            yield Problem("C111", "error", message, tree.place(where, key=True), helps=helps)


def _check_precisions(
    shape: CompileShape,
    path: YamlPath,
    document: Resolved,
    nodes: Mapping[str, NodeShape],
    modules: Collection[str],
    unread: Collection[str],
) -> Iterable[Problem]:
    """C112: a precision for what is neither a node of this task nor a module that it calls.

    `unread` are uses of pieces whose nodes are not known, as something is wrong with them.
    """
    called = {str(node.call or node.generate).partition(".")[0] for node in nodes.values()}
    known = {*nodes, *(called & set(modules))}
    for name in shape.precisions:
        if name not in known and name.partition("/")[0] not in unread:
            place = document.tree.place((*path, "compile", "precisions", name), key=True)
            meant = suggest(name, sorted(known), place, coined=True, used=set(shape.precisions))
            inside = [node for node in nodes if node.startswith(f"{name}/")]
            own = (f"`{name}` uses a piece: name its nodes, {listed(name, inside)}",) if inside else ()
            helps = (*own, *meant.helps, f"nodes and called modules: {listed(name, sorted(known))}")
            message = f"`{name}` has a precision, and this task has no such node and calls no such module"
            yield Problem("C112", "error", message, place, helps=helps, fix=meant.fix)
