"""Parameters of pieces: declared by each piece, seen by its nodes and ports alone, and before those of the document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from yaml.nodes import MappingNode

from composer.language.models import DocumentShape
from composer.language.parameters import Parameters, wrong_type
from composer.language.tree import Tree, construct
from composer.problems import Effect, Findings, Place, Problem, YamlPath

__all__ = ["IN_PORT_TYPE", "fill_pieces", "mistyped_defaults"]

IN_PORT_TYPE = re.compile(r"\$([A-Za-z_][\w-]*)")
"""A parameter as a dimension of a port type: `pixels[B, 3, $size, $size]`."""


def fill_pieces(
    shape: DocumentShape, parameters: Parameters, tree: Tree, removed: Mapping[YamlPath, Place]
) -> dict[str, Place]:
    """Hold every `$name` inside of pieces against what is declared (C103, C104), and say where their parameters stand.

    Nothing is filled in: what a value becomes depends on the use. `removed` is what a document took from its parents.
    """
    places: dict[str, Place] = {}
    findings = parameters.findings
    for name, piece in shape.pieces.items():
        path: YamlPath = ("pieces", name)
        declared = {key: tree.place((*path, "parameters", key)) for key in piece.parameters}
        places |= {f"{name}/{key}": place for key, place in declared.items()}
        inner = Parameters(findings, {**parameters.values, **piece.parameters}, declared)
        own = {str(at[-1]): place for at, place in removed.items() if at[:-1] == (*path, "parameters")}
        inner.removed = {**parameters.removed, **own}
        inner.sections = (("parameters",), (*path, "parameters"))
        for port, text in piece.inputs.items():
            where = (*path, "inputs", port)
            for found in IN_PORT_TYPE.finditer(text):
                inner.fill(found[0], where, tree, where)
        for key, node in piece.nodes.items():
            where = (*path, "nodes", key)
            inner.fill(node.with_, (*where, "with"), tree, where)
            inner.fill(node.adapter, (*where, "adapter"), tree, where)
        parameters.used |= inner.used - set(piece.parameters)
        if not findings.has(Effect.UNSETTLES):
            findings.extend(_unused(inner, name, piece.parameters, tree))
    return places


def _unused(
    parameters: Parameters, piece: str, declared: Mapping[str, object], tree: Tree
) -> Iterator[Problem]:
    for name in declared:
        if name not in parameters.used:
            place = tree.place(("pieces", piece, "parameters", name), key=True)
            message = f"parameter `{name}` of piece `{piece}` is never used"
            helps = (f"remove it, or write `${name}` under a `with` of the piece",)
            yield Problem("C104", "warning", message, place, helps=helps)


def mistyped_defaults(layers: Sequence[Tree], shape: DocumentShape, findings: Findings) -> None:
    """A child's defaults of another type than the parent's (C105). The parent's stay in force."""
    for name, piece in shape.pieces.items():
        inherited: dict[str, tuple[object, Place]] = {}
        for layer in layers:
            path: YamlPath = ("pieces", name, "parameters")
            node = layer.node(path)
            values = construct(node)[0] if isinstance(node, MappingNode) else {}
            for key, value in values.items():
                place = layer.place((*path, key))
                first = inherited.get(key)
                problem = None
                if first is not None and value is not None:
                    problem = wrong_type(key, first[0], value, place, first[1])
                if problem is None:
                    inherited[key] = (value, place)
                else:
                    findings.add(problem)
                    if key in piece.parameters and first is not None:
                        piece.parameters[key] = first[0]
