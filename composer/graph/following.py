"""Inputs that count the values of others, such as a prompt with a place for every picture: are those there?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from composer.graph.checked import CheckedInput, Read, Wired, endpoints_of
from composer.graph.fitting import local_type
from composer.language import Tree
from composer.plugin.answers import as_map
from composer.problems import Findings, Place, Problem, nearest
from composer.types import ITEMS, Dim, PortType, Symbol

if TYPE_CHECKING:
    from composer.graph.edges import EdgeChecker
    from composer.graph.tasks import TaskChecker

__all__ = ["counting_items", "counting_values", "follows", "lacks_items", "samples_of"]


def follows(checker: TaskChecker, item: CheckedInput) -> bool:
    """Whether the inputs whose values an input counts are there and typed; C273, or nothing, where one is not."""
    callees, modality, edges = checker.callees, item.modality, checker.edges
    assert modality.follows is not None
    what, owner = f"`follows` of {modality.title}", f"modality {modality.id}"
    at = (*item.path, "modality")
    followed = callees.asked(modality.follows, (item.config,), at, what, as_map, owner)
    if followed is None:
        return False
    tree = callees.document.tree
    if not _followed_inputs(item, followed, checker.inputs, checker.is_silent, tree, checker.findings):
        return False
    edges.followed[item.name] = {str(port): str(name) for port, name in followed.items()}
    return all(
        (name, port) in edges.types for name in followed.values() for port in checker.inputs[name].ports
    )


def counting_values(edges: EdgeChecker, port: PortType, followed: str) -> PortType:
    """The type of a port whose first dimension counts the values of another input."""
    several = edges.several.get(followed)
    counted = samples_of(edges, followed) if several is None else Dim.of(Symbol(several.values, followed))
    return port.with_dims((counted, *port.dims[1:]))


def lacks_items(checker: TaskChecker, name: str, callee: Read) -> bool:
    """Whether a node that reads is not told how many values of an input a sample has, which it keeps places for.

    C273 where it does not say so at all; where what it says is faulty, that has been told.
    """
    inputs = checker.nodes[name][0].inputs
    written = inputs if isinstance(inputs, dict) else {}
    unwired = [port for port in dict.fromkeys(callee.counted.values()) if port not in checker.sources[name]]
    lacks = any(port in written for port in unwired)
    for item in [checker.inputs[port] for port in unwired if port in checker.inputs and port not in written]:
        if item.several is None or "/" in name:
            continue
        lacks, path = True, checker.nodes[name][1]
        message = (
            f"node `{name}` has places for the values of `{item.name}`, and does not read how many a sample has "
            f"({item.several})"
        )
        place = checker.callees.document.tree.place(path, key=True)
        helps = (f"add `{item.name}: {item.name}.{ITEMS}` to its inputs",)
        checker.findings.add(Problem("C273", "error", message, place, helps=helps))
        checker.findings.silence(path)
    return lacks


def counting_items(
    edges: EdgeChecker, name: str, callee: Read, port: str, made: PortType, sources: Mapping[str, Wired]
) -> PortType:
    """The type of an output of a node that reads, whose first dimension counts values of an input.

    It is told by the `items` that the node reads; with none, each sample has one value. In a piece that is checked by
    itself they may be those of any input.
    """
    wired = sources.get(callee.counted[port])
    if wired is not None:
        ((owner, _),) = endpoints_of(wired)
        return counting_values(edges, made, owner) if owner in edges.several else made
    others = [each.type for own, each in callee.signature.outputs.items() if own not in callee.counted]
    batches = (edges.registry.kinds[type_.kind].batch_of(type_.dims) for type_ in others)
    batch = next(batch for batch in batches if batch is not None)
    return made.with_dims((local_type(PortType("", (batch,)), name, {}).dims[0], *made.dims[1:]))


def samples_of(edges: EdgeChecker, name: str) -> Dim:
    """What counts the samples of an input."""
    ports = [type_ for (owner, _), type_ in edges.types.items() if owner == name]
    batches = (edges.registry.kinds[type_.kind].batch_of(type_.dims) for type_ in ports)
    return next(batch for batch in batches if batch is not None)


def _followed_inputs(
    item: CheckedInput,
    followed: Mapping[object, object],
    inputs: Mapping[str, CheckedInput],
    is_silent: Callable[[str], bool],
    tree: Tree,
    findings: Findings,
) -> bool:
    """Whether every input that another one counts is there and has values to count; C273 where one is not."""
    fine = True
    for name in map(str, followed.values()):
        other = inputs.get(name)
        counts = other is not None and other.modality.follows is None and other.name != item.name
        if counts or (other is None and is_silent(name)):
            fine = fine and counts
            continue
        fine = False
        place = _place(item, name, tree)
        if other is None:
            rest = [each for each, found in inputs.items() if found.modality.follows is None]
            message = (
                f"input `{item.name}` has places for the values of `{name}`, and the task has no such input"
            )
            near = nearest(name, rest)
            helps: tuple[str, ...] = (
                f"did you mean `{near}`?"
                if near is not None
                else f"add `{name}: {{modality: image}}` to the inputs",
            )
        else:
            message = f"input `{item.name}` has places for the values of `{name}`, which counts others itself"
            helps = ()
        findings.add(Problem("C273", "error", message, place, helps=helps))
    return fine


def _place(item: CheckedInput, name: str, tree: Tree) -> Place:
    """Where the config of an input names another one: a key of a map in it, or else the whole config."""
    where = (*item.path, "with")
    fields = [key for key in type(item.config).model_fields if tree.node((*where, key, name)) is not None]
    return tree.place((*where, fields[0], name), key=True) if fields else tree.place(where)
