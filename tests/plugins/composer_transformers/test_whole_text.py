"""Attention over a whole text beside its formula: with and without padding, windows and masks that hide nothing."""

from __future__ import annotations

import pytest
import torch
from composer_transformers.causal_attention import LayerCall, WholeText

BATCH, HEADS, GROUPS, LENGTH, WIDTH = 2, 4, 2, 7, 8
MASKS = {
    "no mask": None,
    "a mask that hides nothing": torch.ones(BATCH, LENGTH, dtype=torch.int64),
    "padding on both sides": torch.tensor([[0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0]]),
}


@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_each_position_sees_the_visible_ones_before_it(mask: torch.Tensor | None, window: int | None) -> None:
    torch.manual_seed(0)
    query = torch.randn(BATCH, HEADS, LENGTH, WIDTH)
    key, value = torch.randn(2, BATCH, GROUPS, LENGTH, WIDTH)
    shown = torch.ones(BATCH, LENGTH, dtype=torch.int64) if mask is None else mask
    positions = (shown.cumsum(1) - 1).clamp(min=0)
    call = LayerCall(layer=0, scale=0.3, dropout=0.0, window=window, causal=True, bias=None)
    found = WholeText(mask, positions).attend(query, key, value, call)
    for sample, head, place in torch.cartesian_prod(*map(torch.arange, (BATCH, HEADS, LENGTH))).tolist():
        if not shown[sample, place]:
            continue
        seen = [
            other
            for other in range(place + 1)
            if shown[sample, other]
            and (window is None or positions[sample, place] - positions[sample, other] < window)
        ]
        group = head // (HEADS // GROUPS)
        weights = (key[sample, group, seen] @ query[sample, head, place] * 0.3).softmax(0)
        torch.testing.assert_close(found[sample, place, head], weights @ value[sample, group, seen])
