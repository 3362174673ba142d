"""`composer.execution.attention` as an operation of torch, for libraries of inductor to call.

Importing this registers `composer::attention`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from composer.execution import attention

__all__ = ["ATTENTION"]


def _attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool, scale: float | None
) -> Tensor:
    return attention(query, key, value, mask, causal=causal, scale=scale).contiguous()


def _sizes(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool, scale: float | None
) -> Tensor:
    return query.new_empty((*query.shape[:3], value.shape[3]))


# Not `torch.library.custom_op`, whose first call imports torch's compiler, for seconds.
_LIBRARY: Any = torch.library.Library("composer", "FRAGMENT")  # type: ignore[no-untyped-call]
_LIBRARY.define(
    "attention(Tensor query, Tensor key, Tensor value, Tensor? mask, bool causal, float? scale) -> Tensor"
)
_LIBRARY.impl("attention", _attention, "CPU")
torch.library.register_fake("composer::attention", _sizes, lib=_LIBRARY)

ATTENTION = torch.ops.composer.attention.default
"""(query, key, value, mask, causal, scale), in the shapes of `composer.execution.attention` → contiguous."""
