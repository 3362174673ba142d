"""What a document reads by the name of a file, and the file changed: a run that goes on tells, wherever it stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from word_list import WORDS

DOCUMENT = """\
composer: 1
name: sorting
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 8, heads: 2, layers: 1, vocabulary: 35, positions: 9}}
  classes: {uses: core.linear, with: {input_dim: 8, output_dim: 2}}
tasks:
  sort:
    inputs: {question: {modality: text, with: {tokenizer: words.txt, max_tokens: 8}}}
    nodes:
      words: {call: text, inputs: {tokens: question.tokens}}
      vector: {uses: core.pool, inputs: {states: words.states}}
      scores: {call: classes.scores, inputs: {embedding: vector.embedding}}
    outputs: {scores: scores.scores}
    objective:
      inputs: {label: {modality: label, with: {names: classes.txt}}}
      nodes: {cost: {uses: core.class_loss, inputs: {scores: scores, classes: label}}}
      loss: cost.loss
"""
ROWS = "question,label\nwhat is it,cat\nis it a,dog\nwhat color is,cat\na the is,dog\n"
RECIPE = "{epochs: 1, learning_rate: 1e-2, tasks: {sort: {data: rows.csv, batch: 2}}}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "sorting.yaml": DOCUMENT,
        "rows.csv": ROWS,
        "recipe.yaml": RECIPE,
        "words.txt": "\n".join(WORDS) + "\n",
        "classes.txt": "cat\ndog\n",
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def turned(path: Path, first: int) -> None:
    """The same lines in another order, from line `first` on."""
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:first], *reversed(lines[first:])]) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "first", "told"),
    [("words.txt", 5, "sort.question.tokenizer"), ("classes.txt", 0, "sort.label.classes")],
)
def test_training_does_not_go_on_with_other_files(
    composer, folder: Path, name: str, first: int, told: str
) -> None:
    train = ["train", "sorting.yaml", "--recipe", "recipe.yaml", "--out", "run/a"]
    assert composer(*train).code == 0
    before = {path: path.read_bytes() for path in Path("run").iterdir()}
    assert composer(*train, "--resume", "--epochs", "1").code == 0
    turned(folder / name, first)
    done = composer(*train, "--resume", "--epochs", "2")
    assert done.code == 1
    assert f"belongs to other files that the document reads ({told}): resume with" in done.err
    assert (folder / "run/a.checkpoint").read_bytes() == before[Path("run/a.checkpoint")]


def test_answers_of_another_vocabulary_are_not_gone_on_with(composer, folder: Path) -> None:
    (folder / "rows.jsonl").write_text(
        "".join(json.dumps({"question": text}) + "\n" for text in ("what is it", "is it a")), encoding="utf-8"
    )
    run = [
        "run",
        "sorting.yaml",
        "--weights",
        "initial",
        "--seed",
        "1",
        "--rows",
        "rows.jsonl",
        "--out",
        "o.jsonl",
    ]
    assert composer(*run).code == 0
    first = (folder / "o.jsonl").read_bytes()
    turned(folder / "words.txt", 5)
    done = composer(*run)
    assert done.code == 1
    assert "o.jsonl holds answers of another run" in done.err
    assert (folder / "o.jsonl").read_bytes() == first
