"""Scoring a document: outputs of a split against its references, by registered metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from composer.execution import TaskPorts
from composer.plugin import Dataset, Metric, NoConfig, load_registry
from composer.problems import InputError
from composer.recipes import TaskRecipe
from composer.training.evaluating import BATCH, evaluate
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
        "dataset": "words", "batch": 1, "output": "answer", "reference": "answer",
        "fields": {"question": "asked"}, "metrics": {"same": "quickstart.exact_match"},
    }  # fmt: skip
    return TaskRecipe.model_validate({**values, **changes})


def samples(count: int) -> list[dict[str, str]]:
    return [{"asked": str(i), "answer": str(i if i % 4 else -i - 1)} for i in range(count)]


def test_scores_count_every_sample_once() -> None:
    parrot = Parrot()
    found = evaluate(parrot, "echo", samples(BATCH + 72), recipe(), load_registry())  # type: ignore[arg-type]
    assert found == {"same": 0.75, "samples": BATCH + 72}
    assert parrot.batches == [BATCH, 72]


def test_unknown_names_are_refused_with_what_exists() -> None:
    registry = load_registry()
    with pytest.raises(InputError, match=r"no metric `none`.*quickstart.digit"):
        evaluate(Parrot(), "echo", samples(3), recipe(metrics={"same": "none"}), registry)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no output `reply`"):
        evaluate(Parrot(), "echo", samples(3), recipe(output="reply"), registry)  # type: ignore[arg-type]


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
    entry = recipe(metrics={"length": "longest"})
    source = build_source("echo", registry.datasets["words"], NoConfig())
    assert source.splits == ("test",)
    found = evaluate(Parrot(), "echo", source.draw("test"), entry, registry)  # type: ignore[arg-type]
    assert found == {"length": 1.0, "samples": 1}
