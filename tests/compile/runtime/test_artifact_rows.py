"""Rows through an artifact: answered as the live model answers them, in batches that it was compiled for."""

from __future__ import annotations

from pathlib import Path

import composer_compile
import pytest
import torch

import composer
from composer.problems import InputError
from composer.rows import answer_rows, run_rows

DOCUMENT = """\
composer: 1
name: parts
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1}}
  decoder: {uses: mplug2.text_decoder, with: {hidden: 16, heads: 2, layers: 1}}
tasks:
  reply:
    inputs: {q: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 12, on_overflow: error}}}
    nodes:
      words: {call: text, inputs: q}
      answer: {generate: decoder, inputs: {memory: words.states}, with: {max_tokens: 4}}
    outputs: {answer: answer.text, ids: answer.ids, states: words.states}
    compile: {ranges: {batch: 2..3}}
"""
QUESTIONS = [
    "who is it?",
    "what",
    "is the cat red",
    "a " * 20,
    "is it a red cat or a dog?",
    "what is it",
    "who",
]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[composer.Model, composer_compile.Artifact]:
    folder = tmp_path_factory.mktemp("rows")
    (folder / "parts.yaml").write_text(DOCUMENT)
    from composer.weights import save_weights

    model = composer.load(folder / "parts.yaml", weights="initial")
    save_weights(model.modules, folder / "weights.safetensors")
    composer_compile.compile_document(
        folder / "parts.yaml", folder / "made", weights=folder / "weights.safetensors"
    )
    return model, composer_compile.load(folder / "made")


def test_rows_of_an_artifact_in_the_batches_that_it_takes(small, clip) -> None:
    questions = ["who is it", "what", "red", "is it a red cat or a dog", "what is it"]
    rows = [{"video": clip(n), "question": question} for n, question in enumerate(questions)]
    with composer_compile.load(small.artifact) as artifact:
        for task, names in (("video-qa", ("video", "question")), ("classify", ("question",))):
            assert artifact.reader(task).sizes == (1, 4)
            asked = [{name: row[name] for name in names} for row in rows]
            for row, found in zip(asked, answer_rows(artifact, task, asked), strict=True):
                alone = small.model.run(task, **row)
                assert found.error is None
                if task == "video-qa":
                    assert found.outputs == alone
                else:
                    torch.testing.assert_close(found.outputs, alone, rtol=1e-3, atol=1e-3)
            with pytest.raises(InputError, match="takes at most 4 samples at a time"):
                answer_rows(artifact, task, asked, batch_size=5)


def test_answers_of_the_live_model_and_of_the_artifact_are_not_mixed(small, tmp_path: Path) -> None:
    rows = [{"question": "who is it"}, {"question": "what"}]
    with composer_compile.load(small.artifact) as artifact:
        run_rows(artifact, "classify", rows, tmp_path / "out.jsonl")
        assert run_rows(artifact, "classify", rows, tmp_path / "out.jsonl").before == 2
    with pytest.raises(InputError, match="holds answers of another run"):
        run_rows(small.model, "classify", rows, tmp_path / "out.jsonl", resume=True)


@pytest.mark.slow
def test_an_artifact_of_a_least_batch_answers_as_the_live_model_does(compiled) -> None:
    model, artifact = compiled
    assert artifact.reader().sizes == (2, 3)
    rows = [{"q": question} for question in QUESTIONS]
    live, made = (list(answer_rows(each, None, rows)) for each in (model, artifact))
    assert "22 tokens and 12 are allowed" in str(made[3].error)
    assert [each.error is None for each in made] == [n != 3 for n in range(7)]
    for ours, theirs in zip(made, live, strict=True):
        assert (ours.error is None) == (theirs.error is None)
        if theirs.error is None:
            assert ours.outputs["answer"] == theirs.outputs["answer"]
            assert ours.outputs["ids"].tolist() == theirs.outputs["ids"].tolist()
            assert ours.outputs["states"].values.shape == theirs.outputs["states"].values.shape
            alone = model.run(q=QUESTIONS[ours.row - 1])
            assert ours.outputs["ids"].tolist() == alone["ids"].tolist()
