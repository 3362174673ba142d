"""The free dimensions of a program in numbers, and what the symbols of its graph are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import fx
from torch.export import ExportedProgram

from composer_compile.tensors.specs import TensorSpec
from composer_compile.tensors.variants import Variant

__all__ = ["PointSizes", "inputs_of", "number", "symbols"]


@dataclass(frozen=True)
class PointSizes:
    """Every free dimension at the three points of its range."""

    smallest: Mapping[str, int]
    best: Mapping[str, int]
    largest: Mapping[str, int]

    @staticmethod
    def of(variant: Variant) -> PointSizes:
        return PointSizes(
            *(
                {**variant.fixed, **{name: getattr(found, point) for name, found in variant.ranges.items()}}
                for point in ("low", "best", "high")
            )
        )

    @property
    def points(self) -> tuple[Mapping[str, int], Mapping[str, int], Mapping[str, int]]:
        return self.smallest, self.best, self.largest


def symbols(given: Iterable[tuple[fx.Node, TensorSpec]], sizes: Mapping[str, int]) -> dict[Any, int]:
    """The symbols of a graph at sizes of the free dimensions; `given` are its inputs with what they stand for."""
    known = {}
    for node, each in given:
        for size, value in zip(node.meta["val"].shape, each.shape(sizes), strict=True):
            if not isinstance(size, int) and size.node.expr.is_symbol:
                known[size.node.expr] = value
    return known


def number(size: Any, known: Mapping[Any, int]) -> int:
    """A size as a number. Raises ValueError or TypeError where its symbols are unknown."""
    return size if isinstance(size, int) else int(size.node.expr.subs(dict(known)))


def inputs_of(exported: ExportedProgram) -> list[fx.Node]:
    """What a caller gives, in order."""
    names = set(exported.graph_signature.user_inputs)
    return [node for node in exported.graph.nodes if node.op == "placeholder" and node.name in names]
