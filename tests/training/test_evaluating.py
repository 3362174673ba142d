"""Scoring a document: outputs of a split against its references, by registered metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import composer
from composer.evaluation import Evaluating, evaluate_rows
from composer.execution import Model
from composer.graph import CheckedEvaluation, CheckedMetric
from composer.plugin import Dataset, Metric, NoConfig, Registry, load_registry
from composer.problems import InputError
from composer.recipes import TaskRecipe
from composer.training.evaluating import evaluate, scores_of
from composer.training.samples import build_source

DOCUMENT = """\
composer: 1
name: parrot
modules: {head: {uses: core.linear, with: {input_dim: 2, output_dim: 2}}}
tasks:
  echo:
    inputs: {question: {modality: string}}
    nodes: {said: {uses: core.text_template, inputs: {text: question}, with: {template: "{text}"}}}
    outputs: {answer: said}
  sort:
    inputs: {x: {modality: array, with: {kind: embedding, dims: [B, 2]}}}
    nodes: {scores: {call: head.scores, inputs: x}}
    outputs: {scores: scores}
"""


@pytest.fixture
def parrot(tmp_path: Path) -> Model:
    (tmp_path / "parrot.yaml").write_text(DOCUMENT)
    return composer.load(tmp_path / "parrot.yaml", weights="initial")


def recipe(**changes: Any) -> TaskRecipe:
    values = {
        "dataset": "words", "batch": 1, "fields": {"question": "asked"},
    }  # fmt: skip
    return TaskRecipe.model_validate({**values, **changes})


def by(registry: Registry, name: str, metric: str, output: str = "answer") -> CheckedEvaluation:
    entry = registry.metrics[metric]
    return CheckedEvaluation((output,), "answer", {name: CheckedMetric(name, entry, entry.config())})


def samples(count: int) -> list[dict[str, str]]:
    return [{"asked": str(i), "answer": str(i if i % 4 else -i - 1)} for i in range(count)]


def test_scores_count_every_sample_once(parrot: Model) -> None:
    asked = by(load_registry(), "same", "quickstart.exact_match")
    found = evaluate(parrot, "echo", samples(200), recipe(), asked)
    assert scores_of(found, 200) == {"same": 0.75, "samples": 200}


def test_training_scores_what_an_evaluation_of_rows_scores(parrot: Model) -> None:
    registry = load_registry()
    random = np.random.default_rng(0)
    rows: list[dict[str, Any]] = [
        {"x": random.normal(size=2).astype("float32"), "answer": i % 2} for i in range(40)
    ]
    asked = by(registry, "accuracy", "core.accuracy", output="scores")
    (trained,) = evaluate(parrot, "sort", rows, recipe(), asked)
    given = [{**row, "x": row["x"].tolist()} for row in rows]
    (evaluated,) = evaluate_rows(parrot, "sort", given, asked, registry, how=Evaluating(batch_size=7)).scores
    assert (trained.value, trained.low, trained.high) == (evaluated.value, evaluated.low, evaluated.high)
    assert trained.samples == evaluated.samples


def test_a_sample_that_cannot_be_answered_is_named(parrot: Model) -> None:
    broken: list[dict[str, Any]] = [*samples(3), {"asked": 5, "answer": "5"}]
    asked = by(load_registry(), "same", "quickstart.exact_match")
    with pytest.raises(InputError, match=r"^number 3: "):
        evaluate(parrot, "echo", broken, recipe(), asked, title="number {}".format)


def test_a_third_party_brings_datasets_and_metrics(
    parrot: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "words_plugin.py").write_text(
        "class Words:\n"
        "    splits = ('test',)\n"
        "    def __init__(self, config): pass\n"
        "    def samples(self, split, epoch=0): return [{'asked': 'a', 'answer': 'b'}]\n"
        "def longest(predictions, references): return float(max(map(len, predictions)))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from composer.plugin import hookimpl

    class Plugin:
        @hookimpl
        def composer_register(self, register: Any) -> None:
            register(Dataset("words", NoConfig, "words_plugin:Words", "Words."))
            register(Metric("longest", "words_plugin:longest", "Length of the longest."))

    registry = load_registry([("words", Plugin())])
    entry = recipe()
    source = build_source("echo", registry.datasets["words"], NoConfig())
    assert source.splits == ("test",)
    asked = by(registry, "length", "longest")
    found = evaluate(parrot, "echo", source.draw("test"), entry, asked)
    assert scores_of(found, 1) == {"length": 1.0, "samples": 1}
