"""The ordinary metrics, each against an independent computation; wrong values are one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from metric_scores import scored

from composer.plugin import Registry, load_registry
from composer.problems import ComposerError


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def table(samples: int = 200, classes: int = 7) -> tuple[list[Any], list[int]]:
    random = np.random.default_rng(3)
    right = random.integers(0, classes, samples)
    scores = random.normal(size=(samples, classes)).astype(np.float32)
    scores[np.arange(samples), right] += 1.0
    return list(scores), right.tolist()


def test_shares_are_torchmetrics(registry: Registry) -> None:
    functional = pytest.importorskip("torchmetrics.functional.classification")
    scores, right = table()
    tensors = torch.tensor(np.stack(scores)), torch.tensor(right)
    for k in (1, 2, 5):
        expected = functional.multiclass_accuracy(*tensors, num_classes=7, top_k=k, average="micro").item()
        assert scored(registry, "core.top_k_accuracy", scores, right, k=k).value == pytest.approx(expected)
    assert scored(registry, "core.accuracy", scores, right).value == pytest.approx(
        functional.multiclass_accuracy(*tensors, num_classes=7, average="micro").item()
    )
    for average in ("macro", "micro", "weighted"):
        expected = functional.multiclass_f1_score(*tensors, num_classes=7, average=average).item()
        assert scored(registry, "core.f1", scores, right, average=average).value == pytest.approx(expected)
    expected = functional.multiclass_matthews_corrcoef(*tensors, num_classes=7).item()
    assert scored(registry, "core.matthews", scores, right).value == pytest.approx(expected, abs=1e-6)


def test_f1_of_one_class_is_computed_by_hand(registry: Registry) -> None:
    found, right = [1, 1, 0, 0, 1], [1, 0, 0, 1, 1]  # 2 right of 3 predicted and of 3 there: both are 2/3
    assert scored(registry, "core.f1", found, right, average="binary").value == pytest.approx(2 / 3)
    names = [["no", "yes"][each] for each in found], [["no", "yes"][each] for each in right]
    assert scored(registry, "core.f1", *names, average="binary", positive="yes").value == pytest.approx(2 / 3)


def test_numbers_are_torchmetrics(registry: Registry) -> None:
    functional = pytest.importorskip("torchmetrics.functional")
    random = np.random.default_rng(5)
    right = random.normal(size=80).round(1)  # ties
    found = (right + random.normal(size=80)).round(1)
    tensors = torch.tensor(found), torch.tensor(right)
    for id_, function in (
        ("core.pearson", functional.pearson_corrcoef),
        ("core.spearman", functional.spearman_corrcoef),
        ("core.mean_error", functional.mean_absolute_error),
    ):
        expected = function(*tensors).item()
        assert scored(registry, id_, found, map(str, right)).value == pytest.approx(expected, abs=1e-6)


def test_classes_may_be_numbers_names_or_rankings(registry: Registry) -> None:
    ranking = [{"name": "owl", "probability": 0.8}, {"name": "cat", "probability": 0.2}]
    numbered = [{"class": 4, "probability": 0.8}, {"class": 2, "probability": 0.2}]
    for prediction, reference, hit in (
        (np.array([0.1, 0.9]), 1, 1.0), (np.array([0.1, 0.9]), "1", 1.0), (np.array([0.5, 0.5]), 0, 1.0),
        (np.int64(3), "3", 1.0), ("cat ", "cat", 1.0), ("3", 3, 1.0), (ranking, "owl", 1.0),
        (ranking, "cat", 0.0), (numbered, 4, 1.0), (np.bool_(True), 1, 1.0), (np.array(2), np.int32(1), 0.0),
    ):  # fmt: skip
        assert scored(registry, "core.accuracy", [prediction], [reference]).value == hit
    assert scored(registry, "core.top_k_accuracy", [ranking], ["cat"], k=2).value == 1.0
    assert scored(registry, "core.top_k_accuracy", [numbered], [2], k=1).value == 0.0


def test_a_text_is_right_word_for_word_or_by_one_of_several(registry: Registry) -> None:
    predictions, references = ["a  cat", "A Cat", "dog", "x"], ["a cat", "a cat", ["cat", "dog"], "y"]
    found = scored(registry, "core.exact_match", predictions, references)
    assert list(found.samples) == [1.0, 0.0, 1.0, 0.0]
    loose = scored(registry, "core.exact_match", predictions, references, ignore_case=True)
    assert loose.value == 0.75


@pytest.mark.parametrize(
    ("id_", "predictions", "references", "said"),
    [
        ("core.accuracy", [np.ones(3)], ["cat"], "the reference 'cat' is the name of a class"),
        ("core.accuracy", [np.ones(3)], [1.5], "1.5 is not a class"),
        ("core.accuracy", [np.ones(3)], [None], "the reference None is not a class"),
        ("core.top_k_accuracy", [np.ones(9)], [9], "the reference 9 is not one of the 9 classes"),
        ("core.top_k_accuracy", [np.ones(5)], [3], "the best 5 of 5 classes .*: set `k` below 5"),
        ("core.mean_error", [1.0], ["many"], "'many' is not a number"),
        ("core.mean_error", [np.ones(2)], [1], "a prediction has 2 numbers"),
        ("core.pearson", [1.0, 1.0], [1, 2], "every prediction is 1"),
        ("core.spearman", [1.0, 2.0], [1, 1], "every reference is 1"),
        ("core.exact_match", ["a"], [[]], "empty list"),
    ],
)
def test_what_cannot_be_scored_is_one_sentence(
    registry: Registry, id_: str, predictions: Any, references: Any, said: str
) -> None:
    with pytest.raises(ComposerError, match=said) as raised:
        scored(registry, id_, predictions, references)
    assert "\n" not in str(raised.value)


def test_one_class_alone_has_no_correlation_and_no_warning(registry: Registry) -> None:
    """So it is of draws of an interval, too."""
    assert scored(registry, "core.matthews", ["a", "a"], ["a", "a"]).value == 0.0
    assert scored(registry, "core.f1", [0, 0], [0, 0], average="binary").value == 0.0
    assert scored(registry, "core.f1", [1, 1], [1, 1], average="binary").value == 1.0


@pytest.mark.parametrize(
    ("metric", "predictions", "references"),
    [
        ("core.mean_error", [1.0, 2.0, 3.0], [2.0, 2.0, 3.0]),
        ("core.cider", ["", "", ""], ["a cat", "a dog", "a cow"]),
        ("core.exact_match", ["a", "b", "c"], ["a", "x", "c"]),
    ],
)
def test_a_mean_of_graded_numbers_has_not_the_interval_of_a_share(
    registry: Registry, metric: str, predictions: list[object], references: list[object]
) -> None:
    from composer.evaluation import score_all
    from composer.graph import CheckedMetric

    entry = registry.metrics[metric]
    bound = CheckedMetric("it", entry, entry.config.model_validate({}))
    (score,) = score_all([bound], (predictions, references), "output `y`")
    assert score.method == ("exact" if metric == "core.exact_match" else "bootstrap")
