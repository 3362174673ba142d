"""The spread of initial weights: small starts grow, zeros wake, everything else stays."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from composer.training.init_scale import spread_initial_weights


def modules() -> dict[str, nn.ModuleDict]:
    torch.manual_seed(0)
    narrow, words, wide, zero = (
        nn.Linear(64, 64),
        nn.Embedding(50, 64),
        nn.Linear(64, 64),
        nn.Linear(64, 64),
    )
    nn.init.normal_(narrow.weight, std=0.02)
    nn.init.normal_(words.weight, std=0.02)
    nn.init.normal_(wide.weight, std=0.1)
    nn.init.zeros_(zero.weight)
    parts = {"narrow": narrow, "words": words, "wide": wide, "zero": zero, "norm": nn.LayerNorm(64)}
    return {"only": nn.ModuleDict(parts)}


def test_bert_starts_are_multiplied_and_zeros_are_drawn() -> None:
    before, after = modules()["only"].state_dict(), modules()
    spread_initial_weights(after, 3.0, 0.1, below=0.025)
    now = after["only"].state_dict()
    for key in before:
        if key in ("narrow.weight", "words.weight"):
            assert torch.equal(now[key], before[key] * 3.0)
        elif key == "zero.weight":
            assert float(now[key].std()) == pytest.approx(0.1, rel=0.1)
        else:
            assert torch.equal(now[key], before[key])


def test_without_a_bound_all_linear_maps_and_embeddings_grow() -> None:
    before, after = modules()["only"].state_dict(), modules()
    spread_initial_weights(after, 2.0)
    now = after["only"].state_dict()
    grown = {key for key in before if not torch.equal(now[key], before[key])}
    assert grown == {"narrow.weight", "words.weight", "wide.weight"}


def test_by_default_nothing_changes() -> None:
    before, after = modules()["only"].state_dict(), modules()
    spread_initial_weights(after, 1.0)
    assert all(torch.equal(value, before[key]) for key, value in after["only"].state_dict().items())
