"""The sizes that engines are built for: every free dimension at its smallest, its best and its largest.

The library takes them for the inputs of a stage. Where a stage becomes several engines, it works out the sizes between
them from the exporter's notes instead: from 2 up where the range begins at 1, and at the example's sizes for the best.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from torch.export import ExportedProgram

from composer_compile.backends.tensorrt.shared_weights import request_inputs
from composer_compile.patches import patched
from composer_compile.tensors.points import PointSizes, number, symbols
from composer_compile.tensors.specs import TensorSpec
from composer_compile.tensors.variants import Variant

__all__ = ["profiled"]


@contextlib.contextmanager
def profiled(exported: ExportedProgram, inputs: Sequence[TensorSpec], variant: Variant) -> Iterator[None]:
    """Every size between engines is meanwhile worked out from the sizes of the free dimensions.

    Replaces a function of the library, seen in 2.11 to 2.14.
    """
    from torch_tensorrt.dynamo.partitioning import common

    given = list(zip(request_inputs(exported, inputs), inputs, strict=True))
    points = [symbols(given, sizes) for sizes in PointSizes.of(variant).points]
    noted = common.extract_var_range_info

    def worked_out(size: Any, *arguments: Any, **keywords: Any) -> dict[str, Any]:
        try:
            found = [number(size, known) for known in points]
        except (TypeError, ValueError):  # a size that depends on data
            return dict(noted(size, *arguments, **keywords))
        return {"min": min(found), "opt": found[1], "max": max(found)}

    with patched(common, "extract_var_range_info", worked_out):
        yield
