"""Sampling: draws follow the probabilities, and depend on a sample's seed and on nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from composer_core.sampling import noise
from tiny_gpt2 import POLICIES, framing_of, recorded, searched

from composer.plugin import DrawRules

WEIGHTS, _ = recorded()
FRAMING = framing_of({"max_new_tokens": 10})


def drawn(seed: Any, rows: list[int], **options: Any) -> list[tuple[int, ...]]:
    found = searched(WEIGHTS, "core.sample", options, FRAMING, prompted=True, seed=seed, rows=rows)
    return [text.ids for text in found]


def test_a_sample_draws_alike_alone_and_in_a_batch() -> None:
    together = drawn([4, 9, 2**62], [0, 1, 2])
    assert [drawn(seed, [row])[0] for row, seed in enumerate([4, 9, 2**62])] == together
    assert drawn([9, 4], [1, 0]) == [together[1], together[0]]


def test_one_seed_for_all_is_that_of_each() -> None:
    assert drawn(7, [0, 1]) == [drawn(7, [0])[0], drawn(7, [1])[0]]
    assert drawn(7, [0]) != drawn(8, [0])


def test_draws_follow_the_probabilities() -> None:
    """4,096 seeds at one position, and one seed at 4,096 positions: both near the softmax."""
    scores = torch.tensor([0.0, 1.0, 2.0, -1.0, -torch.inf])
    expected = scores.softmax(0)
    seeds = torch.arange(4096).unsqueeze(1)
    by_seed = (scores + noise(seeds, torch.tensor([3]), 5)).argmax(-1)
    by_place = torch.cat(
        [(scores + noise(torch.tensor([[11]]), torch.tensor([n]), 5)).argmax(-1) for n in range(4096)]
    )
    for found in (by_seed, by_place):
        shares = found.bincount(minlength=5) / 4096
        assert float((shares - expected).abs().max()) < 0.03
        assert shares[4] == 0


def test_noise_of_neighbours_is_not_alike() -> None:
    """Seeds, positions and tokens that are next to each other share nothing."""
    parts = [noise(torch.tensor([[seed]]), torch.tensor([at]), 512)[0] for seed in (0, 1) for at in (0, 1)]
    together = torch.stack([*parts, parts[0].roll(1)])
    alike = torch.corrcoef(together) - torch.eye(5)
    assert float(alike.abs().max()) < 0.2


@pytest.mark.parametrize("options", [{"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}, {"temperature": 1e-4}])
def test_narrow_draws_are_greedy(options: dict[str, Any]) -> None:
    greedy = searched(WEIGHTS, "core.greedy", {}, FRAMING, prompted=True)
    assert drawn([1, 2, 3], [0, 1, 2], **options) == [text.ids for text in greedy]


def test_every_rule_of_draws_has_a_place_in_the_policy() -> None:
    assert set(DrawRules.model_fields) == set(POLICIES["core.sample"].config.model_fields)
