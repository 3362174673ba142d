"""The evaluation of a task: what is written, what is plain, and what a recipe takes over from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from composer.graph import CheckedEvaluation, check
from composer.graph.evaluations import plain_evaluation
from composer.language import Source
from composer.plugin import Registry, load_registry
from composer.recipes import check_recipe

DOCUMENT = """\
composer: 1
name: points
parameters: {best: 2}
modules:
  head: {uses: core.linear, with: {input_dim: 4, output_dim: 3}}
tasks:
  sort:
    inputs: {vector: {modality: array, with: {kind: embedding, dims: [B, 4]}}}
    nodes: {scores: {call: head.scores, inputs: vector}}
    outputs: {scores: scores}
    objective:
      inputs: {truth: {modality: array, with: {kind: classes, dims: [B]}}}
      nodes: {cost: {uses: core.class_loss, inputs: {scores: scores, classes: truth}}}
      loss: cost.loss
"""
RECIPE = """\
document: points.yaml
epochs: 1
learning_rate: 0.1
tasks:
  sort: {dataset: tiny.points, batch: 4, fields: {truth: label}}
"""


@pytest.fixture(scope="module")
def registry() -> Registry:
    from composer.plugin import Dataset, NoConfig, Register, hookimpl

    class Plugin:
        @staticmethod
        @hookimpl
        def composer_register(register: Register) -> None:
            register(Dataset("tiny.points", NoConfig, "tiny_data:Points", "Points."))

    return load_registry([("tiny", Plugin())])


def evaluation(text: str) -> CheckedEvaluation | None:
    return check(Source("points", DOCUMENT + text)).raise_for_errors().tasks["sort"].evaluation


def told(found: CheckedEvaluation | None) -> tuple[object, ...]:
    assert found is not None
    metrics = {name: (each.metric.id, each.config.model_dump()) for name, each in found.metrics.items()}
    return found.outputs, found.reference, metrics


PLAIN: tuple[object, ...] = (("scores",), "truth", {"accuracy": ("core.accuracy", {})})


@pytest.mark.parametrize("text", ["", "    evaluation: {}\n", "    evaluation: {output: scores}\n"])
def test_what_is_plain_may_be_left_out(text: str) -> None:
    found = check(Source("points", DOCUMENT + text)).raise_for_errors()
    assert told(plain_evaluation(found.tasks["sort"], found.registry)) == PLAIN
    assert (found.tasks["sort"].evaluation is None) == (not text)


def test_metrics_take_configs_with_parameters_filled_in() -> None:
    written = (
        "    evaluation: {reference: kind, metrics: {best: {uses: core.top_k_accuracy, with: {k: $best}}}}\n"
    )
    assert told(evaluation(written)) == (
        ("scores",),
        "kind",
        {"best": ("core.top_k_accuracy", {"k": 2})},
    )


def test_a_child_document_changes_a_metric_and_removes_another(tmp_path: Path) -> None:
    (tmp_path / "points.yaml").write_text(
        DOCUMENT.replace("{best: 2}", "{}")
        + "    evaluation: {metrics: {a: core.accuracy, m: core.matthews}}\n"
    )
    child = (
        "composer: 1\nextends: points.yaml\ntasks: {sort: {evaluation: {metrics: {a: core.f1, m: null}}}}\n"
    )
    (tmp_path / "child.yaml").write_text(child)
    found = check(tmp_path / "child.yaml").raise_for_errors().tasks["sort"].evaluation
    assert found is not None
    assert {name: each.metric.id for name, each in found.metrics.items()} == {"a": "core.f1"}


def test_a_recipe_takes_over_what_it_does_not_say(tmp_path: Path, registry: Registry) -> None:
    def read(evaluation: str, more: str = "") -> CheckedEvaluation | None:
        (tmp_path / "points.yaml").write_text(DOCUMENT.replace("{best: 2}", "{}") + evaluation)
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text(RECIPE.replace("label}}", f"label}}{more}}}"))
        found = check_recipe(recipe, registry=registry)
        found.raise_for_errors()
        return found.evaluations.get("sort")

    assert told(read("")) == (("scores",), "label", {"accuracy": ("core.accuracy", {})})
    assert told(read("    evaluation: {reference: kind}\n"))[1] == "kind"
    assert told(read("    evaluation: {reference: kind}\n", ", reference: other"))[1] == "other"
    asked = ", metrics: {best: {uses: core.top_k_accuracy, with: {k: 1}}}"
    assert told(read("", asked))[2] == {"best": ("core.top_k_accuracy", {"k": 1})}
    nothing = read("", ", metrics: {}")
    assert nothing is not None
    assert not nothing.metrics


def test_two_documents_that_score_by_other_metrics_differ(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from composer.cli import main

    for name, metric in (("a", "core.accuracy"), ("b", "core.matthews")):
        text = DOCUMENT.replace("{best: 2}", "{}") + f"    evaluation: {{metrics: {{score: {metric}}}}}\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    main(["diff", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")])
    printed = capsys.readouterr().out
    assert "core.accuracy of scores against truth" in printed
    assert "core.matthews of scores against truth" in printed
