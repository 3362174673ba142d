"""Rows through a task and scored: the same whatever the batch, whatever interrupts it, live and compiled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from composer.evaluation import Evaluating, EvaluationReport, evaluate_rows
from composer.evaluation.what_is_scored import AskedMetric, AskedScores, declared_of
from composer.execution import Answering, load
from composer.plugin import Registry, load_registry
from composer.problems import InputError
from composer.rows.row import RowAnswer


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def evaluate(
    model: Answering,
    rows: Any,
    registry: Registry,
    out: Path | None = None,
    asked: AskedScores = AskedScores(),  # noqa: B008 (a frozen value)
    watching: Any = None,
    **how: Any,
) -> EvaluationReport:
    task = model.only_task()
    evaluation = asked.settled(declared_of(model, task), model.ports(task), registry, task)
    return evaluate_rows(
        model, task, rows, evaluation, registry, out=out, how=Evaluating(**how), watching=watching
    )


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]


def test_predictions_and_a_report_are_kept(sorting: Any, registry: Registry, tmp_path: Path) -> None:
    report = evaluate(sorting.load(), sorting.rows, registry, tmp_path / "out")
    rows = [json.loads(line) for line in sorting.rows.read_text().splitlines()]
    right = [
        int(np.argmax(row["vector"][:3])) == row["truth"] for row in rows
    ]  # the weights are the identity
    assert report.scores[0].value == pytest.approx(np.mean(right))
    found = lines(tmp_path / "out")
    assert [each["id"] for each in found] == [row["id"] for row in rows]
    assert [each["reference"] for each in found] == [row["truth"] for row in rows]
    assert [each["scores"] for each in found] == [{"accuracy": float(hit)} for hit in right]
    np.testing.assert_allclose([e["prediction"] for e in found], [r["vector"][:3] for r in rows], rtol=1e-5)
    told = json.loads((tmp_path / "out" / "report.json").read_text())
    assert told["scores"]["accuracy"]["method"] == "exact"
    low, high = told["scores"]["accuracy"]["interval"]
    assert low < np.mean(right) < high
    assert (told["samples"], told["failed"], len(told["worst"])) == (60, 0, 5)
    assert all(each["scores"]["accuracy"] == 0.0 for each in told["worst"])


def test_a_batch_does_not_change_a_prediction(sorting: Any, registry: Registry, tmp_path: Path) -> None:
    found = []
    for size in (1, 7, 60):
        evaluate(sorting.load(), sorting.rows, registry, tmp_path / str(size), batch_size=size)
        found.append([each["prediction"] for each in lines(tmp_path / str(size))])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
    np.testing.assert_allclose(found[0], found[2], rtol=1e-6)


def test_padding_does_not_change_a_prediction(registry: Registry, tmp_path: Path) -> None:
    from composer import load

    document = tmp_path / "speaking.yaml"
    document.write_text(
        "composer: 1\nmodules:\n  text: {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1}}\n"
        "  head: {uses: core.linear, with: {output_dim: 3}}\ntasks:\n  sort:\n    inputs:\n"
        "      question: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 40}}\n    nodes:\n"
        "      words: {call: text, inputs: {tokens: question.tokens}}\n"
        "      vector: {uses: core.pool, inputs: {states: words.states}}\n"
        "      scores: {call: head.scores, inputs: vector}\n    outputs: {scores: scores}\n"
    )
    model = load(document, weights="initial")
    texts = ["who", "what is it that you see there on the left", "a b c", "no", "one two three four five six"]
    rows = [{"question": text, "kind": 0} for text in texts]
    asked = AskedScores(reference="kind")
    found = []
    for size in (1, 2, 5):
        evaluate(model, rows, registry, tmp_path / str(size), asked, batch_size=size)
        found.append([each["prediction"] for each in lines(tmp_path / str(size))])
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    np.testing.assert_allclose(found[0], found[2], atol=1e-6)


class Stop:
    """Watches a run and ends it as a signal does, after some batches."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.lines: list[str] = []

    def begin(self, total: int | None, done: int) -> None:
        self.done = done

    def answered(self, answers: list[RowAnswer]) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt

    def line(self, text: str) -> None:
        self.lines.append(text)


def test_a_run_that_was_ended_goes_on(sorting: Any, registry: Registry, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    evaluate(sorting.load(), sorting.rows, registry, whole, batch_size=4)
    with pytest.raises(KeyboardInterrupt):
        evaluate(sorting.load(), sorting.rows, registry, parts, batch_size=4, watching=Stop(5))
    assert not (parts / "report.json").exists()
    watching = Stop(1000)
    report = evaluate(sorting.load(), sorting.rows, registry, parts, batch_size=4, watching=watching)
    assert 0 < watching.done < 60
    assert report.before == watching.done
    assert (whole / "predictions.jsonl").read_bytes() == (parts / "predictions.jsonl").read_bytes()


def test_rows_that_changed_are_evaluated_again(sorting: Any, registry: Registry, tmp_path: Path) -> None:
    """`resume` after a vector and a reference were changed: what a run over the rows as they are now gives."""
    rows = [json.loads(line) for line in sorting.rows.read_text().splitlines()]
    path, parts = tmp_path / "rows.jsonl", tmp_path / "parts"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows[:20]))
    evaluate(sorting.load(), path, registry, parts)
    rows[3]["vector"] = [-each for each in rows[3]["vector"]]
    rows[7]["truth"] = (rows[7]["truth"] + 1) % 3
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows[:25]))
    with pytest.raises(InputError, match=r"the content of the rows changed.*--resume"):
        evaluate(sorting.load(), path, registry, parts)
    watching = Stop(1000)
    report = evaluate(sorting.load(), path, registry, parts, resume=True, watching=watching)
    assert watching.done == report.before == 18
    whole = evaluate(sorting.load(), path, registry, tmp_path / "whole")
    assert report.scores[0].value == whole.scores[0].value
    assert lines(parts) == [
        {**each, "prediction": pytest.approx(each["prediction"], rel=1e-6)}
        for each in lines(tmp_path / "whole")
    ]


def test_rows_that_fail_are_counted_and_not_scored(sorting: Any, registry: Registry, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [json.loads(line) for line in sorting.rows.read_text().splitlines()][:5]
    rows[1]["vector"] = [1.0, 2.0]
    rows[3]["truth"] = None
    report = evaluate(sorting.load(), rows, registry, tmp_path / "out")
    assert [(each.row, each.id) for each in report.failed] == [(2, "v1"), (4, "v3")]
    assert "no reference in its column `truth`" in report.failed[1].error
    rows[3]["truth"] = ""  # as an empty cell of a table is read
    empty = evaluate(sorting.load(), rows, registry, tmp_path / "empty")
    assert [each.error for each in empty.failed] == [each.error for each in report.failed]
    assert len(report.samples) == 3
    assert [each.get("error") is not None for each in lines(tmp_path / "out")] == [
        False,
        True,
        False,
        True,
        False,
    ]


def test_the_metric_of_an_artifact_is_that_of_its_document(
    sorting: Any, registry: Registry, tmp_path: Path
) -> None:
    import composer_compile

    artifact = tmp_path / "artifact"
    composer_compile.compile_document(sorting.document, artifact, weights=sorting.weights)
    live = evaluate(sorting.load(), sorting.rows, registry)
    with composer_compile.load(artifact) as model:
        compiled = evaluate(model, sorting.rows, registry)
    assert compiled.evaluation == live.evaluation
    assert compiled.scores[0].value == live.scores[0].value
    assert compiled.scores[0].samples == live.scores[0].samples


def test_an_artifact_refuses_a_config_before_anything_is_asked(
    sorting: Any, registry: Registry, tmp_path: Path
) -> None:
    import composer_compile
    from composer_compile.artifact.manifest import Manifest
    from composer_compile.artifact.manifest_file import write_manifest

    artifact = tmp_path / "artifact"
    composer_compile.compile_document(sorting.document, artifact, weights=sorting.weights)
    asked = AskedScores(metrics=[AskedMetric("core.top_k_accuracy")])
    said = "the best 5 of 3 classes always hold"
    with composer_compile.load(artifact) as model, pytest.raises(InputError, match=said):
        evaluate(model, sorting.rows, registry, tmp_path / "out", asked)
    assert not (tmp_path / "out").exists()
    manifest = artifact / "manifest.json"
    data = json.loads(manifest.read_text())
    for task in data["tasks"].values():
        for output in task["outputs"].values():
            assert output.pop("sizes") == [None, 3]
    manifest.write_bytes(write_manifest(Manifest.model_validate(data)))
    with composer_compile.load(artifact) as model:  # one of before: told where it is scored
        assert model.ports().types == {}
        with pytest.raises(InputError, match=said):
            evaluate(model, sorting.rows, registry, tmp_path / "out", asked)


WRONG: list[tuple[AskedScores, str]] = [
    (AskedScores(outputs=["score"]), r"has no output `score`; did you mean `scores`\?"),
    (AskedScores(reference="trth"), r"has no column `trth`; did you mean `truth`\?"),
    (AskedScores(metrics=[AskedMetric("core.acuracy")]), "there is no metric `core.acuracy`; did you mean"),
    (AskedScores(metrics=[AskedMetric("core.exact_match")]), "takes text, and output `scores` is scores"),
    (AskedScores(metrics=[AskedMetric("core.accuracy"), AskedMetric("core.accuracy")]), "one name"),
    (AskedScores(metrics=[AskedMetric("core.top_k_accuracy", "", {"k": 0})]), "refuses `k`"),
    (AskedScores(metrics=[AskedMetric("core.top_k_accuracy", "", {"n": 2})]), "refuses `n`"),
    (AskedScores(metrics=[AskedMetric("core.top_k_accuracy")]), "the best 5 of 3 classes always hold"),
    (
        AskedScores(metrics=[AskedMetric("core.recall_at_k", "", {"k": 3})]),
        "the best 3 of 3 candidates always",
    ),
    (AskedScores(reference="id"), "the reference 'v0' is the name of a class"),
    (AskedScores(reference="vector"), "is not a class"),
]


@pytest.mark.parametrize(("asked", "said"), WRONG, ids=[said for _, said in WRONG])
def test_wrong_use_is_one_sentence_and_leaves_no_report(
    sorting: Any, registry: Registry, tmp_path: Path, asked: AskedScores, said: str
) -> None:
    with pytest.raises(InputError, match=said) as raised:
        evaluate(sorting.load(), sorting.rows, registry, tmp_path / "out", asked)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out" / "report.json").exists()
    assert not (tmp_path / "out" / "predictions.jsonl").exists()


def test_weights_that_give_no_number_are_told(sorting: Any, registry: Registry, tmp_path: Path) -> None:
    model = sorting.load()
    next(iter(model.modules["head"].parameters())).data.fill_(float("nan"))
    with pytest.raises(
        InputError, match=r"`scores` is not finite .* for 60 of 60 samples, first for row 1 `v0`"
    ):
        evaluate(model, sorting.rows, registry, tmp_path / "out")


def test_without_rows_nothing_can_be_scored(sorting: Any, registry: Registry, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    with pytest.raises(InputError, match="nothing can be scored: there are no rows"):
        evaluate(sorting.load(), empty, registry)
    with pytest.raises(InputError, match=r"all 1 rows failed; the first: row 1"):
        evaluate(sorting.load(), [{"vector": [1.0], "truth": 1}], registry)


def test_a_folder_of_somebody_else_is_left_alone(sorting: Any, registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files and no evaluation"):
        evaluate(sorting.load(), sorting.rows, registry, tmp_path)
    with pytest.raises(InputError, match="is a file"):
        evaluate(sorting.load(), sorting.rows, registry, tmp_path / "notes.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_another_model_does_not_go_on(sorting: Any, registry: Registry, tmp_path: Path) -> None:
    model = sorting.load()
    evaluate(model, sorting.rows, registry, tmp_path / "out")
    asked = AskedScores(metrics=[AskedMetric("core.top_k_accuracy", "top2", {"k": 2})])
    again = evaluate(model, sorting.rows, registry, tmp_path / "out", asked)  # the same answers, scored anew
    assert (again.before, again.scores[0].name) == (60, "top2")
    other = sorting.load()
    next(iter(other.modules["head"].parameters())).data.mul_(2)
    with pytest.raises(InputError, match="holds answers of another run"):
        evaluate(other, sorting.rows, registry, tmp_path / "out")


TOWERS = """\
composer: 1
name: towers
modules:
  left: {uses: core.linear, with: {input_dim: 4, output_dim: 4}}
  right: {uses: core.linear, with: {input_dim: 4, output_dim: 4}}
tasks:
  match:
    inputs:
      picture: {modality: array, with: {kind: embedding, dims: [B, 4]}}
      caption: {modality: array, with: {kind: embedding, dims: [B, 4]}}
    nodes:
      seen: {call: left.embedding, inputs: picture}
      told: {call: right.embedding, inputs: caption}
    outputs: {picture: seen, caption: told}
    evaluation:
      output: [picture, caption]
      reference: owner
      metrics:
        recall@1: {uses: core.recall_at_k, with: {k: 1}}
        back@1: {uses: core.recall_at_k, with: {k: 1, direction: backward}}
        median rank: core.median_rank
"""


def test_two_outputs_are_scored_together(registry: Registry, tmp_path: Path) -> None:
    """Two pictures with two captions each, of which one is nearer to the other picture."""
    from composer import load

    document = tmp_path / "towers.yaml"
    document.write_text(TOWERS)
    model = load(document, weights="initial")
    for module in model.modules.values():
        for parameter in module.parameters():
            parameter.data.copy_(torch.eye(4) if parameter.ndim == 2 else torch.zeros_like(parameter))
    pictures = {"a": [1.0, 0, 0, 0], "b": [0, 1.0, 0, 0]}
    captions = [
        ("a", [0.9, 0.1, 0, 0]),
        ("a", [0.3, 0.8, 0, 0]),
        ("b", [0, 1.0, 0.1, 0]),
        ("b", [0.1, 0.7, 0, 0]),
    ]
    rows = [{"picture": pictures[owner], "caption": told, "owner": owner} for owner, told in captions]
    report = evaluate(model, rows, registry, tmp_path / "out")
    values = {score.name: score.value for score in report.scores}
    assert values == {"recall@1": 1.0, "back@1": 0.75, "median rank": 1.0}
    assert [len(each["prediction"]) for each in lines(tmp_path / "out")] == [2] * 4
    assert list(report.scores[1].samples) == [1.0, 0.0, 1.0, 1.0]


SPELT: dict[str, tuple[str, list[list[Any]]]] = {
    "names": ('["no", "maybe", "yes"]', [["no", "maybe", "yes"], [0, 1, 2], ["0", "1", "2"]]),
    "stars": ("[1, 2, 3]", [["1", "2", "3"], [1, 2, 3]]),
    "flags": ("[maybe, true, false]", [["maybe", "true", "false"], ["maybe", True, False]]),
}
"""Names of three classes, and how data tell them: all of these are what training takes as well."""


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("name", SPELT)
def test_a_class_is_the_same_however_data_tell_it(
    sorting: Any, registry: Registry, tmp_path: Path, name: str, named: bool
) -> None:
    names, spellings = SPELT[name]
    text = sorting.document.read_text()
    text = text.replace(
        "modality: array, with: {kind: classes, dims: [B]}", f"modality: label, with: {{names: {names}}}"
    )
    if named:
        best = f"best: {{uses: core.argmax, inputs: scores, with: {{names: {names}}}}}"
        nodes = f"scores: {{call: head.scores, inputs: vector}}, {best}"
        text = text.replace("scores: {call: head.scores, inputs: vector}", nodes)
        text = text.replace("outputs: {scores: scores}", "outputs: {best: best.name}")
    document = tmp_path / "spelt.yaml"
    document.write_text(text)
    rows = [json.loads(line) for line in sorting.rows.read_text().splitlines()]
    found = []
    for spelling in spellings:
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps({**row, "truth": spelling[row["truth"]]}) + "\n" for row in rows))
        report = evaluate(load(document, weights=sorting.weights), path, registry)
        found.append(report.scores[0].value)
    right = [int(np.argmax(row["vector"][:3])) == row["truth"] for row in rows]
    assert found == [pytest.approx(np.mean(right))] * len(spellings)


def test_a_reference_that_is_no_class_is_counted_as_failed(
    sorting: Any, registry: Registry, tmp_path: Path
) -> None:
    text = sorting.document.read_text()
    label = "modality: label, with: {names: [a, b, c]}"
    (tmp_path / "named.yaml").write_text(
        text.replace("modality: array, with: {kind: classes, dims: [B]}", label)
    )
    rows = [json.loads(line) for line in sorting.rows.read_text().splitlines()][:4]
    for row, truth in zip(rows, ["a", "-", 7, "c"], strict=True):
        row["truth"] = truth
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = load(tmp_path / "named.yaml", weights=sorting.weights)
    report = evaluate(model, tmp_path / "rows.jsonl", registry, tmp_path / "out")
    assert [each.get("error") for each in lines(tmp_path / "out")] == [
        None,
        "'-' in its column `truth` is not one of the 3 classes",
        "7 in its column `truth` is not one of the 3 classes",
        None,
    ]
    assert (report.as_json(0)["samples"], report.as_json(0)["failed"]) == (2, 2)
