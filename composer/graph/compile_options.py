"""What a task says under `compile:`, held against the task: free dimensions with a range, nodes with a precision."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from composer.graph.ranges import beyond_limits, parse_range
from composer.language import CompileShape, NodeShape, Resolved
from composer.problems import Problem, YamlPath
from composer.problems.suggest import listed, suggest

__all__ = ["check_precisions", "check_ranges"]


def check_ranges(
    shape: CompileShape,
    path: YamlPath,
    document: Resolved,
    free: Mapping[str, tuple[int, int]],
    is_broken: Callable[[str], bool],
) -> Iterable[Problem]:
    """C111: a range of what is not free, that is none, or that modules do not take.

    `free` holds the free dimensions with the sizes that the modules take; `is_broken` tells inputs with a problem of
    their own.
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


def check_precisions(
    shape: CompileShape,
    path: YamlPath,
    document: Resolved,
    nodes: Mapping[str, NodeShape],
    modules: Collection[str],
) -> Iterable[Problem]:
    """C112: a precision for what is neither a node of this task nor a module that it calls."""
    called = {str(node.call or node.generate).partition(".")[0] for node in nodes.values()}
    known = {*nodes, *(called & set(modules))}
    for name in shape.precisions:
        if name not in known:
            place = document.tree.place((*path, "compile", "precisions", name), key=True)
            meant = suggest(name, sorted(known), place, coined=True, used=set(shape.precisions))
            helps = (*meant.helps, f"nodes and called modules: {listed(name, sorted(known))}")
            message = f"`{name}` has a precision, and this task has no such node and calls no such module"
            yield Problem("C112", "error", message, place, helps=helps, fix=meant.fix)
