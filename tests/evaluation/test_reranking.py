"""Retrieval looked at more closely: the best candidates of every query through a task that matches."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import composer
from composer.evaluation import Evaluating, EvaluationReport, Reranking, evaluate_rows
from composer.execution import Model
from composer.problems import InputError

DOCUMENT = """\
composer: 1
name: pairs
modules:
  words: {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, intermediate: 16, layers: 1}}
  closer: {uses: core.linear, with: {input_dim: 16, output_dim: 2}}
tasks:
  find:
    inputs:
      picture: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 16}}
      caption: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 16}}
    nodes:
      seen_words: {call: words, inputs: {tokens: picture.tokens}}
      said_words: {call: words, inputs: {tokens: caption.tokens}}
      seen: {uses: core.pool, inputs: seen_words}
      said: {uses: core.pool, inputs: said_words}
    outputs: {seen: seen, said: said}
    evaluation:
      output: [seen, said]
      reference: same
      metrics:
        to texts: {uses: core.recall_at_k, with: {k: 1}}
        to pictures: {uses: core.recall_at_k, with: {k: 1, direction: backward}}
  match:
    inputs: {picture: {modality: string}, caption: {modality: string}}
    nodes:
      both: {uses: core.text_template, inputs: {one: picture, two: caption}, with: {template: "{one} and {two}"}}
      read: {modality: text, inputs: {text: both}, with: {tokenizer: bert-uncased, max_tokens: 32}}
      words: {call: words, inputs: {tokens: read.tokens}}
      vector: {uses: core.pool, inputs: words}
      scores: {call: closer.scores, inputs: vector}
    outputs: {scores: scores}
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("pairs") / "pairs.yaml"
    path.write_text(DOCUMENT)
    return composer.load(path, weights="initial")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Seven captions of four pictures."""
    pictures = ["a red circle", "one blue square", "green triangles", "nothing at all"]
    captions = ["a circle", "the square", "triangles", "nothing", "red", "blue things", "three of them"]
    path = tmp_path / "rows.jsonl"
    lines = [
        {"picture": pictures[n % 4], "caption": caption, "same": n % 4} for n, caption in enumerate(captions)
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def scored(
    model: Model, rows: Path, reranking: Reranking, *, resume: bool = False, **more: Any
) -> EvaluationReport:
    evaluation = model.evaluation("find")
    how = Evaluating(reranking=reranking, resamples=10, resume=resume)
    return evaluate_rows(model, "find", str(rows), evaluation, model.report.registry, how=how, **more)


def expected(model: Model, rows: Path, top: int, *, backward: bool, add: bool = False) -> float:
    """Recall at 1 by hand: every pair asked one by one, every query once."""
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    pictures = {line["same"]: line["picture"] for line in lines}
    captions = [(line["same"], line["caption"]) for line in lines]
    asked, offered = ([*pictures.items()], captions) if not backward else (captions, [*pictures.items()])

    def vector(side: str, text: str) -> Any:
        given = {"picture": "of no matter", "caption": "of no matter", side: text}
        found = model.run("find", **{name: [value] for name, value in given.items()})
        return found["seen" if side == "picture" else "said"][0].numpy().astype("float64")

    def cosine(one: Any, other: Any) -> float:
        return float(np.dot(one, other) / np.linalg.norm(one) / np.linalg.norm(other))

    own, others = ("picture", "caption") if not backward else ("caption", "picture")
    vectors = [vector(others, text) for _, text in offered]
    hits = 0
    for name, query in asked:
        alike = [cosine(vector(own, query), each) for each in vectors]
        best = sorted(range(len(offered)), key=lambda n: -alike[n])[:top]
        closer = {}
        for n in best:
            answer = model.run("match", **{own: [query], others: [offered[n][1]]})
            closer[n] = float(answer["scores"][0, 1]) + (alike[n] if add else 0.0)
        hits += offered[max(closer, key=closer.__getitem__)][0] == name
    return hits / len(asked)


@pytest.mark.parametrize(("top", "add"), [*itertools.product((2, 3), (False, True))])
def test_recalls_are_those_of_asking_every_pair(model: Model, rows: Path, top: int, add: bool) -> None:
    report = scored(model, rows, Reranking("match", top=top, add=add))
    values = {score.name: score.value for score in report.scores}
    assert [*values] == ["to texts", "to pictures", "to texts reranked", "to pictures reranked"]
    assert values["to texts reranked"] == pytest.approx(expected(model, rows, top, backward=False, add=add))
    assert values["to pictures reranked"] == pytest.approx(expected(model, rows, top, backward=True, add=add))


def test_one_candidate_changes_nothing(model: Model, rows: Path) -> None:
    values = {score.name: score.value for score in scored(model, rows, Reranking("match", top=1)).scores}
    assert values["to texts reranked"] == values["to texts"]
    assert values["to pictures reranked"] == values["to pictures"]


def test_a_recall_that_all_candidates_are_below_is_refused(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text('{"picture": "a", "caption": "b", "same": 0}\n')
    with pytest.raises(InputError, match="the best 1 of 1 candidates always hold the right one"):
        scored(model, path, Reranking("match", top=1))


def test_the_pairs_are_kept_and_a_run_goes_on_with_them(model: Model, rows: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = scored(model, rows, Reranking("match", top=2), out=out)
    kept = {path.name: path.read_bytes() for path in out.glob("pairs-*.jsonl")}
    assert len(kept) == 2
    again = scored(model, rows, Reranking("match", top=2), out=out)
    assert [each.value for each in again.scores] == [each.value for each in first.scores]
    assert {path.name: path.read_bytes() for path in out.glob("pairs-*.jsonl")} == kept
    told = json.loads((out / "report.json").read_text())
    assert "to texts reranked" in told["scores"]


def test_what_cannot_be_looked_at_is_told(model: Model, rows: Path) -> None:
    with pytest.raises(InputError, match=r"no task `mach`; did you mean `match`"):
        scored(model, rows, Reranking("mach"))
    with pytest.raises(InputError, match="no output"):
        scored(model, rows, Reranking("match", output="verdict"))
    with pytest.raises(InputError, match="has no number 5 for a pair"):
        scored(model, rows, Reranking("match", top=2, column=5))


def test_the_command_shows_the_scores(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from composer.cli import main

    path = tmp_path / "pairs.yaml"
    path.write_text(DOCUMENT)
    words = ["evaluate", f"{path}:find", "--weights", "initial", "--data", str(rows), "--rerank"]
    assert main([*words, "match,top=2"]) == 0
    assert "to pictures reranked" in capsys.readouterr().out
    for wrong, said in (
        ("match,topp=2", "did you mean `top`?"),
        ("match,top=0", "top: Input should be greater"),
    ):
        assert main([*words, wrong]) == 2
        assert said in capsys.readouterr().err


def test_pairs_of_rows_that_changed_are_looked_at_again(model: Model, rows: Path, tmp_path: Path) -> None:
    kept, wanted = tmp_path / "kept", Reranking("match", top=2)
    scored(model, rows, wanted, out=kept)
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    lines[1]["caption"] = "something else there"
    lines.insert(0, {"picture": "a red circle", "caption": "round", "same": 0})
    rows.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    scored(model, rows, wanted, out=kept, resume=True)
    scored(model, rows, wanted, out=tmp_path / "whole")
    for name in ("pairs-forward.jsonl", "pairs-backward.jsonl"):
        found, whole = (
            [json.loads(line)["outputs"]["scores"] for line in (folder / name).read_text().splitlines()]
            for folder in (kept, tmp_path / "whole")
        )
        np.testing.assert_allclose(found, whole, atol=1e-6)
