"""Momentum distillation by its two names, and the loss of telling boxes, against independent computations."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from composer_mplug2.configs import AnswerLossConfig, BoxTokensConfig, GroundingLossConfig
from composer_mplug2.grounding import build_box_tokens, build_grounding_loss, generalised_overlap
from composer_mplug2.losses import build_answer_loss

from composer.types import Tokens


def log_softmax(rows: np.ndarray, axis: int) -> np.ndarray:
    rows = rows - rows.max(axis=axis, keepdims=True)
    found: np.ndarray = rows - np.log(np.exp(rows).sum(axis=axis, keepdims=True))
    return found


@pytest.fixture
def answered() -> dict[str, torch.Tensor | Tokens]:
    generator = torch.Generator().manual_seed(2)
    logits, teacher = (torch.randn(2, 4, 9, generator=generator) for _ in range(2))
    ids = torch.tensor([[1, 4, 2, 0], [1, 5, 6, 2]])
    return {"logits": logits, "teacher": teacher, "answers": Tokens(ids, (ids > 0).long())}


def test_as_published_a_teacher_changes_nothing(answered) -> None:
    plain = build_answer_loss(AnswerLossConfig())
    alone = plain(logits=answered["logits"], answers=answered["answers"])
    for alpha in (0.0, 0.4, 1.0):
        module = build_answer_loss(AnswerLossConfig(alpha=alpha, distillation="published"))
        assert torch.equal(module(**answered), alone)


def test_as_meant_a_teacher_is_mixed_in_over_the_vocabulary(answered) -> None:
    module = build_answer_loss(AnswerLossConfig(alpha=0.4, distillation="meant"))
    told = log_softmax(answered["logits"].numpy()[:, :-1], 2)
    soft = np.exp(log_softmax(answered["teacher"].numpy()[:, :-1], 2))
    labels = answered["answers"].ids.numpy()[:, 1:]
    scored = labels > 0
    hard = -np.take_along_axis(told, labels[:, :, None], 2)[:, :, 0]
    mixed = (0.6 * hard + 0.4 * -(soft * told).sum(2)) * scored
    assert module(**answered).item() == pytest.approx(mixed.sum() / 2, rel=1e-5)


def test_a_teacher_gets_no_gradient(answered) -> None:
    with torch.enable_grad():
        answered["teacher"].requires_grad_()
        answered["logits"].requires_grad_()
        build_answer_loss(AnswerLossConfig(alpha=0.4, distillation="meant"))(**answered).backward()
    assert answered["teacher"].grad is None
    assert answered["logits"].grad is not None


def test_boxes_are_written_as_the_prefix_and_four_coordinates() -> None:
    tokens = build_box_tokens(BoxTokensConfig())(boxes=torch.tensor([[0.0, 0.5, 1.0, 1.5]]))
    assert tokens.ids.tolist() == [[344, 345, 345 + 168, 345 + 336, 345 + 336]]


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Generalised IoU of two (x, y, width, height), by counting area."""

    def area(corners: np.ndarray) -> float:
        return max(corners[2] - corners[0], 0) * max(corners[3] - corners[1], 0)

    a, b = (np.array([*box[:2], *(box[:2] + box[2:])]) for box in (one, other))
    common = area(np.array([*np.maximum(a[:2], b[:2]), *np.minimum(a[2:], b[2:])]))
    together = area(a) + area(b) - common
    around = area(np.array([*np.minimum(a[:2], b[:2]), *np.maximum(a[2:], b[2:])]))
    return common / together - (around - together) / around


def test_generalised_overlap_of_worked_examples() -> None:
    corners = torch.tensor([[0.0, 0, 2, 2], [0, 0, 1, 1], [0, 0, 1, 1]])
    others = torch.tensor([[1.0, 1, 3, 3], [2, 0, 3, 1], [0, 0, 1, 1]])
    assert generalised_overlap(corners, others).tolist() == pytest.approx(
        [1 / 7 - 2 / 9, -1 / 3, 1.0], abs=1e-6
    )


@pytest.mark.parametrize("weighting", ["published", "meant"])
def test_the_grounding_loss_is_that_of_numpy(weighting: Literal["published", "meant"]) -> None:
    config = GroundingLossConfig(prefix=4, first=5, steps=20, weighting=weighting)
    logits = torch.randn(3, 5, 40, generator=torch.Generator().manual_seed(5))
    boxes = torch.tensor([[0.1, 0.2, 0.5, 0.5], [0.0, 0.0, 1.0, 1.0], [0.33, 0.4, 0.3, 0.2]])
    found = build_grounding_loss(config)(logits=logits, boxes=boxes)
    scores = logits.numpy()[:, :4, 5:26]
    told = scores.argmax(axis=2) / 20
    labels = np.floor(boxes.numpy() * np.float32(20)).astype(int)
    losses = -np.take_along_axis(log_softmax(scores, 2), labels[:, :, None], 2)[:, :, 0]
    weights = np.abs(told - boxes.numpy()).clip(max=5)
    weights = weights * np.array(
        [[1 - overlap(a, b)] for a, b in zip(told, boxes.numpy().astype(float), strict=True)]
    )
    if weighting == "published":
        expected = np.mean([[losses[i] * weights[j] for j in range(3)] for i in range(3)])
    else:
        expected = (losses * weights).mean()
    assert found.item() == pytest.approx(expected, rel=1e-4)
