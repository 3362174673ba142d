"""Scoring a document: outputs of a split against its references, by registered metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from composer.execution import TaskPorts
from composer.graph import CheckedEvaluation, CheckedMetric
from composer.plugin import Dataset, Metric, NoConfig, Registry, load_registry
from composer.problems import InputError
from composer.recipes import TaskRecipe
from composer.training.evaluating import BATCH, evaluate, scores_of
from composer.training.samples import build_source


class Parrot:
    """Stands where a model stands: answers with what it is asked, and notes the sizes of its batches."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def ports(self, task: str) -> TaskPorts:
        return TaskPorts({"question": "text"}, {"answer": "text"})

    def run(self, task: str, **raw: list[str]) -> dict[str, Any]:
        assert task == "echo"
        assert set(raw) == {"question"}
        self.batches.append(len(raw["question"]))
        return {"answer": raw["question"]}


def recipe(**changes: Any) -> TaskRecipe:
    values = {
        "dataset": "words", "batch": 1, "fields": {"question": "asked"},
    }  # fmt: skip
    return TaskRecipe.model_validate({**values, **changes})


def by(registry: Registry, name: str, metric: str, output: str = "answer") -> CheckedEvaluation:
    return CheckedEvaluation(
        (output,), "answer", {name: CheckedMetric(name, registry.metrics[metric], NoConfig())}
    )


def samples(count: int) -> list[dict[str, str]]:
    return [{"asked": str(i), "answer": str(i if i % 4 else -i - 1)} for i in range(count)]


def test_scores_count_every_sample_once() -> None:
    parrot = Parrot()
    asked = by(load_registry(), "same", "quickstart.exact_match")
    found = evaluate(parrot, "echo", samples(BATCH + 72), recipe(), asked)  # type: ignore[arg-type]
    assert scores_of(found, BATCH + 72) == {"same": 0.75, "samples": BATCH + 72}
    assert parrot.batches == [BATCH, 72]


def test_an_output_that_is_not_there_is_refused_with_what_exists() -> None:
    asked = by(load_registry(), "same", "quickstart.exact_match", output="reply")
    with pytest.raises(InputError, match=r"no output `reply` to score \(outputs: answer\)"):
        evaluate(Parrot(), "echo", samples(3), recipe(), asked)  # type: ignore[arg-type]


def test_a_third_party_brings_datasets_and_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    found = evaluate(Parrot(), "echo", source.draw("test"), entry, asked)  # type: ignore[arg-type]
    assert scores_of(found, 1) == {"length": 1.0, "samples": 1}
