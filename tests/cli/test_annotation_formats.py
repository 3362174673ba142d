"""Annotation files of benchmarks where data are named: in training, in a recipe, in evaluation and for many rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from annotation_files import laid_out

from composer.data import OwnRows, read_own
from composer.plugin import load_registry
from composer.recipes import TaskRecipe, data_recipe

DOCUMENT = """\
composer: 1
name: moods
modules:
  words: {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, intermediate: 16, layers: 1}}
  head: {uses: core.linear, with: {input_dim: 16, output_dim: 2}}
tasks:
  mood:
    inputs: {sentence: {modality: text, with: {tokenizer: bert-uncased, max_tokens: 16}}}
    nodes:
      read: {call: words, inputs: {tokens: sentence.tokens}}
      vector: {uses: core.select, inputs: read}
      scores: {call: head.scores, inputs: vector}
      best: {uses: core.argmax, inputs: scores, with: {names: [negative, positive]}}
    outputs: {label: best.name}
    objective:
      inputs: {truth: {modality: label, with: {names: [negative, positive]}}}
      nodes: {loss: {uses: core.class_loss, inputs: {scores: scores, classes: truth}}}
      loss: loss.loss
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with `moods.yaml` and tables of SST-2."""
    monkeypatch.chdir(tmp_path)
    Path("moods.yaml").write_text(DOCUMENT)
    lines = [f"it is {'good' if n % 2 else 'bad'}, number {n}\t{n % 2}" for n in range(8)]
    Path("train.tsv").write_text("\n".join(["sentence\tlabel", *lines, "no label at all\t5", ""]))
    Path("dev.tsv").write_text("sentence\tlabel\na good one\t1\na bad one\t0\n")
    return tmp_path


def rows_of(data: dict[str, object]) -> OwnRows:
    import composer

    report = composer.check("moods.yaml").raise_for_errors()
    recipe = TaskRecipe.model_construct(data=None, batch=1, fields={}, group=None)
    return read_own(report.tasks["mood"], recipe, data_recipe(data), Path(), load_registry().formats)


def test_samples_that_cannot_be_read_are_rows_of_a_users_data_that_cannot_be_used(place: Path) -> None:
    own = rows_of(
        {"files": {"train": "glue-sst2:train.tsv", "validation": "glue-sst2:dev.tsv"}, "bad_rows": "skip"}
    )
    own.hold_good()
    assert {split: len(own.samples(split)) for split in own.splits} == {"train": 8, "validation": 2}
    assert own.samples("validation")[0]["truth"] == "positive"
    assert [str(row) for row in own.placed.bad] == [
        "glue-sst2:train.tsv, sample 9: row 9 of train.tsv is not of the format: its class is '5', and the classes are "
        "negative, positive"
    ]
    assert own.record()["left_out"]["rows"] == 1


@pytest.mark.slow
def test_a_task_is_trained_and_scored_by_the_files_themselves(composer, place: Path) -> None:
    data = "--data train=glue-sst2:train.tsv --data validation=glue-sst2:dev.tsv --bad-rows skip"
    done = composer("train", "moods.yaml", *data.split(), "--epochs", "1", "--out", "run")
    assert done.code == 0, done.err
    scored = composer(
        "evaluate", "moods.yaml", "--weights", "run.safetensors", "--data", "glue-sst2:dev.tsv", "--json"
    )
    assert scored.code == 0, scored.err
    assert json.loads(scored.out)["samples"] == 2
    answered = composer("run", "moods.yaml", "--weights", "run.safetensors", "--rows", "glue-sst2:dev.tsv")
    assert [json.loads(line)["row"] for line in answered.out.splitlines()] == [1, 2]


def test_a_recipe_names_them_and_is_checked_with_them(composer, place: Path) -> None:
    words = ["train", "moods.yaml", "--data", "glue-sst2:train.tsv", "--write-recipe", "training/moods.yaml"]
    done = composer(*words, "--bad-rows", "skip")
    assert done.code == 0, done.err
    assert "files: glue-sst2:../train.tsv" in Path("training/moods.yaml").read_text().replace('"', "")
    assert composer("check", "training/moods.yaml").code == 0
    Path("train.tsv").unlink()
    done = composer("check", "training/moods.yaml")
    assert done.code == 1
    assert "train.tsv does not exist" in done.out
    assert "C410" in done.out


def test_evaluation_takes_the_split_that_a_column_says(composer, place: Path) -> None:
    rows = ["sentence,truth,part", "a good one,positive,val", "a bad one,negative,test", "dull,negative,test"]
    Path("all.csv").write_text("\n".join(rows) + "\n")
    words = ["evaluate", "moods.yaml", "--weights", "initial", "--data", "all.csv", "--json"]
    for split, count in (("validation", 1), ("test", 2)):
        done = composer(*words, "--split", split, "--split-by", "part")
        assert json.loads(done.out)["samples"] == count, done.err
    done = composer(*words, "--split", "train", "--split-by", "part")
    assert (done.code, "no row of all.csv has `train` in its column `part`, but val, test" in done.err) == (
        1,
        True,
    )
    done = composer(*words, "--split", "test")
    assert (done.code, "by --split-by COLUMN" in done.err) == (1, True)
    done = composer(*words, "--split", "test", "--split-by", "parts")
    assert "did you mean `part`?" in done.err


def test_annotations_say_their_split_themselves(composer, place: Path) -> None:
    data = laid_out("refcoco", place)
    words = ["run", "moods.yaml", "--weights", "initial", "--rows", data, "--map", "sentence=phrase"]
    done = composer(*words)
    assert json.loads(done.out.splitlines()[0])["id"] == 2
    assert "nothing reads" not in done.err
    document = Path("moods.yaml").read_text().replace("[negative, positive]", "[val, testA]")
    Path("moods.yaml").write_text(document)
    done = composer(
        *("evaluate", "moods.yaml", "--weights", "initial", "--data", data, "--split", "testA", "--json"),
        *("--map", "sentence=phrase", "--reference", "split"),
    )
    assert json.loads(done.out)["samples"] == 1, done.err


def test_files_of_which_no_sample_can_be_read_are_refused_with_the_first_reason(
    composer, place: Path
) -> None:
    Path("other.tsv").write_text("text\tlabel\na good one\t1\na bad one\t0\n")
    Path("commas.tsv").write_text("sentence,label\na good one,1\n")
    words = ["run", "moods.yaml", "--weights", "initial", "--rows"]
    for name, told in (
        ("other", "none of 2 samples can be read as glue-sst2: row 1 of other.tsv has no `sentence`"),
        ("commas", "commas.tsv has one column, 'sentence,label': put tabs between columns"),
    ):
        done = composer(*words, f"glue-sst2:{name}.tsv")
        assert (done.code, told in done.err) == (1, True), done.err
