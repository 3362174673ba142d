"""Attention over long texts in libraries of inductor, which would call torch's (see `composer.execution.attention`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.export import ExportedProgram

from composer.execution import prefers_pieces
from composer_compile.backends.attention_operation import ATTENTION
from composer_compile.tensors.points import number

__all__ = ["use_for_long_texts"]

aten = torch.ops.aten
TORCHS = aten.scaled_dot_product_attention.default


def use_for_long_texts(exported: ExportedProgram, largest: Mapping[Any, int]) -> None:
    """Let attention run so, in place, where it pays at the largest sizes, given as what the symbols are there."""
    for node in exported.graph.find_nodes(op="call_function", target=TORCHS):
        given: dict[str, Any] = {each.name: each.default_value for each in TORCHS._schema.arguments}
        given |= dict(zip(given, node.args, strict=False)) | node.kwargs
        query, mask, causal = given["query"], given["attn_mask"], bool(given["is_causal"])
        key, value = _without_repeats(given["key"]), _without_repeats(given["value"])
        values = [each.meta["val"] for each in (query, key, value)]
        if given["dropout_p"] or any(
            each.device.type != "cpu" or each.dim() != 4 or each.dtype is not torch.float32 for each in values
        ):
            continue
        if mask is not None and (mask.meta["val"].dim() != 4 or mask.meta["val"].dtype is not torch.bool):
            continue
        try:
            shapes = [[number(size, largest) for size in each.shape] for each in values]
            rows = 1 if mask is None else number(mask.meta["val"].shape[2], largest)
        except (TypeError, ValueError):  # a size that depends on data
            continue
        if prefers_pieces(*shapes, rows_differ=causal or rows > 1):
            node.target, node.args, node.kwargs = (
                ATTENTION,
                (query, key, value, mask, causal, given["scale"]),
                {},
            )
    exported.graph.eliminate_dead_code()
    exported.graph_module.recompile()


def _without_repeats(values: Any) -> Any:
    """Keys or values before each group was repeated for its heads: [B, G, S, d] of a [B, H, S, d] that is made so."""
    made = values
    for target, others in (
        (aten.flatten.using_ints, (1, 2)),  # [B, G, H / G, S, d] → [B, H, S, d]
        (aten.expand.default, None),
        (aten.unsqueeze.default, (2,)),  # [B, G, 1, S, d]
    ):
        if made.target is not target or (others is not None and tuple(made.args[1:]) != others):
            return values
        made = made.args[0]
    return made
