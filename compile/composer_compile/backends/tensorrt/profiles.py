"""The sizes that engines are built for: every free dimension at its smallest, its best and its largest.

The library takes them for the inputs of a stage. Where a stage becomes several engines, it works out the sizes between
them from the exporter's notes instead: from 2 up where the range begins at 1, and at the example's sizes for the best.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

from torch import fx
from torch.export import ExportedProgram

from composer_compile.exporting import Variant
from composer_compile.specs import TensorSpec

__all__ = ["Sizes", "number", "profiled", "symbols"]


@dataclass(frozen=True)
class Sizes:
    """Every free dimension at the three points of a profile."""

    smallest: Mapping[str, int]
    best: Mapping[str, int]
    largest: Mapping[str, int]

    @staticmethod
    def of(variant: Variant) -> Sizes:
        return Sizes(
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


@contextlib.contextmanager
def profiled(exported: ExportedProgram, inputs: Sequence[TensorSpec], variant: Variant) -> Iterator[None]:
    """Every size between engines is meanwhile worked out from the sizes of the free dimensions.

    Replaces a function of the library, seen in 2.11 to 2.14.
    """
    from torch_tensorrt.dynamo.partitioning import common

    names = set(exported.graph_signature.user_inputs)
    nodes = [node for node in exported.graph.nodes if node.op == "placeholder" and node.name in names]
    given = list(zip(nodes, inputs, strict=True))
    points = [symbols(given, sizes) for sizes in Sizes.of(variant).points]
    noted = common.extract_var_range_info

    def worked_out(size: Any, *arguments: Any, **keywords: Any) -> dict[str, Any]:
        try:
            found = [number(size, known) for known in points]
        except (TypeError, ValueError):  # a size that depends on data
            return dict(noted(size, *arguments, **keywords))
        return {"min": min(found), "opt": found[1], "max": max(found)}

    with mock.patch.object(common, "extract_var_range_info", worked_out):
        yield
