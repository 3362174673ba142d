"""What two documents that a third extends both declare, and not alike: merged, it would be neither of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from yaml.nodes import MappingNode, ScalarNode

from composer.language.tree import Tree, construct
from composer.problems import Note, Problem

__all__ = ["clashes"]

_NOTHING = object()
_DECLARED = {"parameters": "parameter", "modules": "module", "pieces": "piece", "tasks": "task"}


def clashes(
    roots: Sequence[MappingNode], parents: Mapping[int, Mapping[int, ScalarNode]]
) -> Iterator[Problem]:
    """C119, for each document that extends several, neither of which extends the other."""
    trees = [Tree(root) for root in roots]
    declared = [_entries(root) for root in roots]
    behind: dict[int, set[int]] = {}
    for number in range(len(roots)):  # what a document extends stands before it
        behind[number] = {number}.union(*(behind[parent] for parent in parents[number]))
        told = set[tuple[str, str]]()
        for one, other in combinations(sorted(parents[number]), 2):
            for earlier in sorted(behind[one] - behind[other]):
                for later in sorted(behind[other] - behind[one]):
                    for section, name in declared[earlier].keys() & declared[later].keys():
                        entry = (section, name)
                        own = declared[number].get(entry, _NOTHING)
                        settled = own is None or (section == "parameters" and own is not _NOTHING)
                        alike = declared[earlier][entry] == declared[later][entry]
                        if not (settled or alike or entry in told):
                            told.add(entry)
                            yield _clash(
                                entry, trees[earlier], trees[later], trees[number], parents[number][other]
                            )


def _entries(root: MappingNode) -> dict[tuple[str, str], object]:
    values, _ = construct(root)
    sections = {key: value for key in _DECLARED if isinstance(value := values.get(key), dict)}
    return {(key, str(name)): entry for key, section in sections.items() for name, entry in section.items()}


def _clash(entry: tuple[str, str], earlier: Tree, later: Tree, child: Tree, name: ScalarNode) -> Problem:
    from composer.language.yaml_nodes import place_of

    first, second = (tree.place(entry, key=True) for tree in (earlier, later))
    message = (
        f"the {_DECLARED[entry[0]]} `{entry[1]}` comes from two of the documents that are extended, "
        f"{first.file} and {second.file}, and is not the same in both"
    )
    cure = (
        f"give `{entry[1]}` a value here"
        if entry[0] == "parameters"
        else "let one of them extend the other, or give one of the two another name"
    )
    notes = (Note(first, "declared here"), Note(second, "and here"))
    return Problem("C119", "error", message, place_of(name), notes=notes, helps=(cure,))
