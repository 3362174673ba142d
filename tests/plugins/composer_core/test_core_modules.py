"""The core modules against values worked out by hand or by another way of computing them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from composer.types import States

Build = Callable[..., Any]


def states(*shape: int, mask: list[list[int]] | None = None, seed: int = 0) -> States:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return States(values, None if mask is None else torch.tensor(mask))


def test_concat_without_masks_has_none(build: Build) -> None:
    first, second = states(2, 3, 4), states(2, 1, 4, seed=1)
    joined = build("core.concat")(first=first, second=second)
    assert joined.mask is None
    assert torch.equal(joined.values[:, :3], first.values)
    assert torch.equal(joined.values[:, 3:], second.values)


@pytest.mark.parametrize("masked", ["first", "second"])
def test_concat_fills_a_missing_mask_with_ones(build: Build, masked: str) -> None:
    mask = [[1, 0], [1, 1]]
    parts = {"first": states(2, 2, 4), "second": states(2, 2, 4)}
    parts[masked] = States(parts[masked].values, torch.tensor(mask))
    joined = build("core.concat")(**parts)
    ones = [[1, 1], [1, 1]]
    left, right = (mask, ones) if masked == "first" else (ones, mask)
    assert joined.mask.dtype == torch.int64
    assert joined.mask.tolist() == [a + b for a, b in zip(left, right, strict=True)]


def test_add_shows_what_both_show(build: Build) -> None:
    first, second = states(1, 3, 2, mask=[[1, 1, 0]]), states(1, 3, 2, mask=[[1, 0, 0]], seed=1)
    added = build("core.add")(first=first, second=second)
    assert torch.equal(added.values, first.values + second.values)
    assert added.mask.tolist() == [[1, 0, 0]]
    bare = States(second.values, None)
    assert build("core.add")(first=first, second=bare).mask.tolist() == [[1, 1, 0]]
    assert build("core.add")(first=bare, second=first).mask.tolist() == [[1, 1, 0]]
    assert build("core.add")(first=bare, second=bare).mask is None


def test_repeat_follows_the_counts(build: Build) -> None:
    given = states(3, 2, 2, mask=[[1, 1], [1, 0], [0, 1]])
    repeated = build("core.repeat")(states=given, counts=torch.tensor([2, 0, 1]))
    assert torch.equal(repeated.values, given.values[[0, 0, 2]])
    assert repeated.mask.tolist() == [[1, 1], [1, 1], [0, 1]]
    assert build("core.repeat")(states=states(1, 2, 2), counts=torch.tensor([3])).mask is None


def test_select_takes_one_position(build: Build) -> None:
    given = states(2, 3, 4)
    assert torch.equal(build("core.select")(states=given), given.values[:, 0])
    assert torch.equal(build("core.select", position=2)(states=given), given.values[:, 2])


def test_pools_see_only_what_is_visible(build: Build) -> None:
    values = torch.tensor([[[1.0, -8.0], [3.0, -2.0], [100.0, float("nan")]]])
    given = States(values, torch.tensor([[1, 1, 0]]))
    assert build("core.pool")(states=given).tolist() == [[2.0, -5.0]]
    assert build("core.pool", how="max")(states=given).tolist() == [[3.0, -2.0]]
    bare = States(values[:, :2], None)
    assert build("core.pool")(states=bare).tolist() == [[2.0, -5.0]]
    assert build("core.pool", how="max")(states=bare).tolist() == [[3.0, -2.0]]


@pytest.mark.parametrize("how", ["mean", "max"])
def test_a_pool_of_nothing_is_zero(build: Build, how: str) -> None:
    pooled = build("core.pool", how=how)(states=states(2, 2, 3, mask=[[0, 0], [1, 0]]))
    assert pooled[0].tolist() == [0.0, 0.0, 0.0]
    assert pooled[1].abs().min() > 0


def test_normalise_gives_length_one(build: Build) -> None:
    given = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    torch.testing.assert_close(
        build("core.normalise")(embedding=given), torch.tensor([[0.6, 0.8], [0.0, 0.0]])
    )


def test_similarity_scores_all_pairs(build: Build) -> None:
    queries, candidates = (
        torch.tensor([[1.0, 2.0], [0.0, 1.0]]),
        torch.tensor([[3.0, 1.0], [1.0, 1.0], [0.0, 2.0]]),
    )
    scores = build("core.similarity", scale=10.0)(queries=queries, candidates=candidates)
    assert scores.tolist() == [[50.0, 30.0, 40.0], [10.0, 10.0, 20.0]]


def test_linear_maps_states_embeddings_and_scores_alike(build: Build) -> None:
    module = build("core.linear", input_dim=4, output_dim=3)
    given = states(2, 5, 4, mask=[[1] * 5, [1, 1, 0, 0, 0]])
    mapped = module(states=given)
    expected = torch.einsum("bnd,kd->bnk", given.values, module.map.weight) + module.map.bias
    torch.testing.assert_close(mapped.values, expected)
    assert torch.equal(mapped.mask, given.mask)
    torch.testing.assert_close(module.embedding(embedding=given.values[:, 0]), expected[:, 0])
    torch.testing.assert_close(module.scores(embedding=given.values[:, 1]), expected[:, 1])
    assert "map.bias" not in build("core.linear", input_dim=4, output_dim=3, bias=False).state_dict()


def test_layer_norm_uses_its_eps(build: Build) -> None:
    given = states(1, 2, 4)
    eps = 0.5
    normed = build("core.layer_norm", dim=4, eps=eps)(states=given).values
    centred = given.values - given.values.mean(-1, keepdim=True)
    variance = centred.square().mean(-1, keepdim=True)
    torch.testing.assert_close(normed, centred / (variance + eps).sqrt())


def test_class_loss_is_the_mean_negative_log_probability(build: Build) -> None:
    scores, classes = torch.tensor([[2.0, 0.0, 1.0], [0.5, 0.5, 0.5]]), torch.tensor([2, 0])
    probabilities = scores.exp() / scores.exp().sum(1, keepdim=True)
    expected = -(probabilities[0, 2].log() + probabilities[1, 0].log()) / 2
    torch.testing.assert_close(build("core.class_loss")(scores=scores, classes=classes), expected)


def test_token_loss_averages_over_the_labels_that_count(build: Build) -> None:
    logits = states(2, 3, 5).values
    labels = torch.tensor([[1, -100, 4], [-100, -100, 0]])
    picked = logits.log_softmax(-1)
    expected = -(picked[0, 0, 1] + picked[0, 2, 4] + picked[1, 2, 0]) / 3
    torch.testing.assert_close(build("core.token_loss")(logits=logits, labels=labels), expected)
    shifted = -(picked[0, 1, 4] + picked[1, 1, 0]) / 2
    torch.testing.assert_close(build("core.token_loss", shift=True)(logits=logits, labels=labels), shifted)


def test_token_loss_of_no_label_is_zero(build: Build) -> None:
    loss = build("core.token_loss")(logits=states(1, 2, 3).values, labels=torch.full((1, 2), -100))
    assert loss.item() == 0.0


def test_class_vectors_are_mixed_by_probability(build: Build) -> None:
    module = build("core.class_vectors", classes=3, width=4)
    table = module.vectors.weight.detach()
    half = module(probabilities=torch.tensor([[0.5, 0.0, 0.5]])).detach()
    torch.testing.assert_close(half[0], (table[0] + table[2]) / 2)
