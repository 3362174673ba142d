"""Attention in float32 over long texts, on processors where torch's matrix library leaves half of the speed unused.

Torch's attention multiplies by MKL, which reaches half the speed of oneDNN on AMD processors with AVX-512 (`linear`
says more), and it computes what a mask hides. Here oneDNN multiplies, for all heads of a group at once, and a piece of
the queries sees no key behind the last one that any of them may: 22 against 33 ms for 8 texts of 512 tokens by 9 heads
in 3 groups, 40 against 100 ms for one of 1,024 by 32 heads in 8, on two cores of an EPYC of family 26. Results agree
within rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from composer.execution.linear import onednn_is_faster

__all__ = ["attention", "prefers_pieces"]

LONG = 512 * 512
"""Scores of a group of heads from which the pieces win back what it costs to begin them."""
PIECE = 256
"""Queries of a piece: of fewer oneDNN multiplies more slowly, and with more of them less is left out."""


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """query[B, H, L, d], key[B, G, S, d] and value[B, G, S, e], H / G heads to a group → [B, H, L, e].

    As `torch.nn.functional.scaled_dot_product_attention`, which it calls for short texts, for gradients, for anything
    but float32 on the CPU, for a mask that is not of booleans, and where `onednn_is_faster` does not hold. The mask is
    [1 or B, 1 or H, 1 or L, S].
    """
    if not _takes_pieces(query, key, value, mask, causal=causal):
        return functional.scaled_dot_product_attention(
            query, key, value, mask, is_causal=causal, scale=scale, enable_gqa=query.shape[1] != key.shape[1]
        )
    batch, heads, length, width = query.shape
    groups, sources = key.shape[1], key.shape[2]
    if causal:
        mask = torch.ones(1, 1, length, sources, dtype=torch.bool).tril()
    # oneDNN turns weights round whose rows do not follow one another, a thousand times slower than they are read.
    key, value = (key * (width**-0.5 if scale is None else scale)).contiguous(), value.contiguous()
    asked = query.view(batch, groups, -1, length, width)  # [B, G, H / G, L, d]
    added = shown = None
    if mask is not None:
        mask = mask.expand(-1, -1, length, sources)
        added = torch.where(mask, 0.0, -torch.inf).expand(batch, heads, -1, -1)
        added = added.view(batch, groups, -1, length, sources)  # [B, G, H / G, L, S]
        shown = _numbers(mask).amax((0, 1))  # [L, S], whether any sample and head sees it
    found = query.new_empty(batch, heads, length, value.shape[3])
    by_group = found.view(batch, groups, -1, length, value.shape[3])  # [B, G, H / G, L, e]
    for first in range(0, length, PIECE):
        last = min(first + PIECE, length)
        seen = sources if shown is None else int(shown[first:last].amax(0).nonzero()[-1]) + 1
        for sample in range(batch):
            for group in range(groups):
                rows = asked[sample, group, :, first:last].flatten(0, 1)  # [H / G * piece, d]
                scores = _product(rows, key[sample, group, :seen]).view(-1, last - first, seen)
                if added is not None:
                    scores += added[sample, group, :, first:last, :seen]
                weights = scores.softmax(2).flatten(0, 1)
                of_piece = _product(weights, value[sample, group, :seen].t())  # [H / G * piece, e]
                by_group[sample, group, :, first:last] = of_piece.view(-1, last - first, value.shape[3])
    return found


def prefers_pieces(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *, rows_differ: bool
) -> bool:
    """Whether `attention` pays for these shapes, float32 on the CPU.

    `rows_differ` where each query has its own row of the mask.
    """
    (batch, heads, length, _), (_, groups, sources, _) = query, key
    # Torch's knows more: a batch of one that serves all.
    fits = batch == key[0] == value[0] and groups == value[1] and heads % groups == 0
    # A single head gains only by what is hidden from some queries.
    is_worth = heads // groups * length * sources >= LONG and (rows_differ or heads > groups)
    return fits and is_worth and onednn_is_faster()


def _takes_pieces(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, *, causal: bool) -> bool:
    rows_differ = causal or (mask is not None and mask.shape[2] > 1)
    return (
        not torch.compiler.is_compiling()  # first: a size that is compared would become a condition of the graph
        and query.dtype is torch.float32
        and query.device.type == "cpu"
        and prefers_pieces(query.shape, key.shape, value.shape, rows_differ=rows_differ)
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and (mask is None or (mask.dtype is torch.bool and bool(_numbers(mask).amax(3).amin())))
    )


def _numbers(mask: Tensor) -> Tensor:
    """The booleans as numbers, of which the largest is found 20 times faster."""
    return mask.contiguous().view(torch.uint8)


def _product(rows: Tensor, weight: Tensor) -> Tensor:
    """rows[R, I], weight[O, I] → [R, O]."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, None, "none", [], "")
    return result
