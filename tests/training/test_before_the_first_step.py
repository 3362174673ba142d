"""What is wrong with a run is said before its first step: one message, with the place in the recipe and a cure, and
nothing is written.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny_data

from composer.problems import ComposerError, DocumentError, InputError, Problem
from composer.training import check_training, train_document


def edited(folder: Path, right: str, wrong: str) -> None:
    path = folder / "recipe.yaml"
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong))


def refused(folder: Path, **options: Any) -> list[Problem]:
    """The problems that a run is refused with; it leaves no file."""
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(DocumentError) as caught:
        train_document("points.yaml", out="made/out", recipe="recipe.yaml", **options)
    assert sorted(path.name for path in folder.iterdir()) == before
    return list(caught.value.problems)


FAULTS = [
    ("os error", "train", "raises FileNotFoundError: [Errno 2] No such file or directory: 'val.csv'"),
    ("os error", "validation", "raises FileNotFoundError"),
    ("key error", "test", "raises KeyError: 'rows'"),
    ("runtime error", "train", "raises RuntimeError: broke second line"),
    ("exit", "validation", "ends the program: sys.exit('please pip install my-data')"),
    ("exit at build", "train", "ends the program: sys.exit('please pip install my-data')"),
    ("none", "train", "a list of samples"),
    ("generator", "validation", "returns a generator: a list of samples"),
    ("empty", "train", "split `train` of dataset `tiny.points` is empty"),
    ("empty", "validation", "split `validation` of dataset `tiny.points` is empty"),
    ("list of numbers", "train", "sample 0 of split `train` for task `sort` is of the type int"),
    ("ragged", "train", "sample 15 (`s15`) of split `train` for task `sort`, field `x`"),
    ("bare", "train", "sample 15 (`s15`)"),
    (
        "none in a field",
        "train",
        "sample 15 (`s15`) of split `train` for task `sort` has None in its field `truth`",
    ),
    ("no field", "train", "sample 15 (`s15`) of split `train` for task `sort` has no field `truth`"),
    ("no field", "test", "sample 3 (`s3`) of split `test` for task `sort` has no field `truth`"),
    ("lazy that breaks", "train", "sample 15"),
    ("map that breaks", "train", "raises OSError: [Errno 5] Input/output error: 'truth.bin'"),
    ("map that breaks", "validation", "raises OSError: [Errno 5] Input/output error: 'truth.bin'"),
    ("map without end", "train", "ends the program: sys.exit('no fields')"),
]


@pytest.mark.parametrize(("fault", "split", "said"), FAULTS, ids=[f"{f[0]}, {f[1]}" for f in FAULTS])
def test_data_at_fault_is_one_problem_that_names_it(points: Path, fault: str, split: str, said: str) -> None:
    edited(points, "batch: 4", f"with: {{fault: {fault}, split: {split}}}\n    batch: 16")
    (problem,) = refused(points)
    assert problem.code == "C406"
    assert said in problem.message
    assert "\n" not in problem.message
    assert problem.helps
    assert problem.place.file == "recipe.yaml"
    assert problem.place.line in (5, 9)


def test_a_class_that_the_loss_does_not_know_is_named_with_its_sample(points: Path) -> None:
    edited(points, "batch: 4", "with: {fault: class beyond}\n    batch: 4")
    (problem,) = refused(points)
    assert "sample 15 (`s15`)" in problem.message
    assert "field `truth` is 7" in problem.message
    assert "from 0 to 1" in problem.message


METRICS = [
    (
        "tiny.broken",
        "C406",
        "metric `tiny.broken` of the plugin tiny (composer-tiny 0.1.0) (output `scores` of task `sort`) raises",
    ),
    ("tiny.nothing", "C406", "returns None: a number is expected"),
    ("tiny.greedy", "C406", "ends the program: sys.exit(0) (`greedy`, tiny_data.py:"),
    ("tiny.table", "C406", "returns a ndarray"),
    ("tiny.words", "C405", "takes text, and output `scores` is scores"),
    ("core.top_k_accuracy", "C405", "the best 5 of"),
    ("tiny.acuracy", "C403", "there is no metric `tiny.acuracy`"),
]


@pytest.mark.parametrize(("metric", "code", "said"), METRICS, ids=[m[0] for m in METRICS])
def test_a_metric_that_cannot_score_is_found(points: Path, metric: str, code: str, said: str) -> None:
    edited(points, "tiny.accuracy", metric)
    (problem,) = refused(points)
    assert problem.code == code
    assert said in problem.message


@pytest.mark.parametrize(
    ("right", "wrong", "line", "said"),
    [
        ("reference: truth", "reference: trth", 8, "did you mean `truth`?"),
        ("batch: 4", "batch: 4\n    fields: {x: picture}", 7, "the fields are x, truth, name"),
    ],
)
def test_a_field_that_samples_lack_is_shown_where_the_recipe_names_it(
    points: Path, right: str, wrong: str, line: int, said: str
) -> None:
    edited(points, right, wrong)
    (problem,) = refused(points)
    assert (problem.code, problem.place.line, problem.helps) == ("C406", line, (said,))


LOSSES = [
    ("none", "is None"),
    ("no mean", "has the shape [4]"),
    ("detached", "has no gradient"),
    ("raises backward", "raises KeyError: 'saved'"),
    ("exit backward", "ends the program: sys.exit(0)"),
    ("raises", "node `cost` of task `sort` (tiny.loss, tiny.loss of the plugin tiny"),
]


@pytest.mark.parametrize(("how", "said"), LOSSES, ids=[loss[0] for loss in LOSSES])
def test_a_loss_at_fault_is_found(points: Path, how: str, said: str) -> None:
    text = tiny_data.DOCUMENT.replace("core.class_loss,", f"tiny.loss, with: {{how: {how}}},")
    (points / "points.yaml").write_text(text)
    (problem,) = refused(points)
    assert said in problem.message


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tasks": ["sorts"]}, "no task `sorts`; did you mean `sort`?"),
        ({"tasks": []}, "no task is left"),
        ({"resume": True}, "no checkpoint"),
        ({"splits": ["valid"]}, "the data has no split `valid`; did you mean `validation`?"),
        ({"epochs": 0}, "epochs: Input should be greater"),
    ],
)
def test_requests_that_cannot_be_met_are_refused(points: Path, options: dict[str, Any], said: str) -> None:
    before = sorted(points.iterdir())
    with pytest.raises(InputError, match=said):
        train_document("points.yaml", **{"out": "out", "recipe": "recipe.yaml", **options})
    assert sorted(points.iterdir()) == before


def test_places_that_cannot_be_written_are_refused(points: Path) -> None:
    (points / "file").write_text("")
    (points / "taken.json").mkdir()
    for out, said in (("file/out", "file is not a folder"), ("taken", "taken.json cannot be written")):
        with pytest.raises(InputError, match=said):
            train_document("points.yaml", out=out, recipe="recipe.yaml")


def test_a_disk_without_room_is_refused(points: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    class Usage:
        free = 100

    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage)
    with pytest.raises(InputError, match="has 100 bytes free"):
        train_document("points.yaml", out="out", recipe="recipe.yaml")
    assert not list(points.glob("out*"))


def test_a_run_goes_on_where_one_more_checkpoint_has_room(
    points: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies there is written over: a run that a full disk ended needs no more than that."""
    train_document("points.yaml", out="out", recipe="recipe.yaml", epochs=1)

    class Usage:
        free = 130  # of weights of 40 bytes: three sizes of them, and not four

    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage)
    with pytest.raises(InputError, match="about 160"):
        train_document("points.yaml", out="other", recipe="recipe.yaml")
    train_document("points.yaml", out="out", recipe="recipe.yaml", epochs=2, resume=True)


def test_trying_a_run_changes_nothing_of_it(points: Path) -> None:
    prepared = check_training("points.yaml", recipe="recipe.yaml")
    assert prepared.data["sort"].batches(0) == 4
    assert sorted(path.name for path in points.iterdir()) == ["points.yaml", "recipe.yaml"]


def test_data_that_breaks_later_leaves_the_last_good_state(points: Path) -> None:
    train_document("points.yaml", out="out", recipe="recipe.yaml")
    before = {path.name: path.read_bytes() for path in points.glob("out.*")}
    edited(points, "batch: 4", "with: {fault: grows}\n    batch: 4")
    with pytest.raises(ComposerError, match="8 batches in epoch 2 and had 4"):
        train_document("points.yaml", out="other/out", recipe="recipe.yaml")
    assert sorted(path.name for path in (points / "other").iterdir()) == [
        "out.checkpoint",
        "out.curves.svg",
        "out.metrics.jsonl",
    ]
    assert {path.name: path.read_bytes() for path in points.glob("out.*")} == before


def test_a_number_that_is_not_finite_is_told_with_its_sample(points: Path) -> None:
    edited(points, "batch: 4", "with: {fault: nan}\n    batch: 4")
    said = r"`sort` is nan in epoch 1, step \d.*sample 15 \(`s15`\).*not finite in its field `x`.*no state was stored"
    with pytest.raises(ComposerError, match=said):
        train_document("points.yaml", out="out", recipe="recipe.yaml")


def test_samples_of_other_lengths_are_scored_in_batches_of_their_own(points: Path) -> None:
    (points / "points.yaml").write_text(tiny_data.DOCUMENT.replace("[B, 5, 4]", "[B, N, 4]"))
    edited(points, "batch: 4", "with: {fault: ragged, split: validation}\n    batch: 4")
    record = train_document("points.yaml", out="made/out", recipe="recipe.yaml")
    assert record["scores"]["validation"]["sort"]["samples"] == 4


def test_what_ails_every_split_is_told_once(points: Path) -> None:
    edited(points, "batch: 4", "with: {fault: runtime error, split: all}\n    batch: 4")
    (problem,) = refused(points)
    assert "split `train`" in problem.message


def test_a_module_that_no_objective_reaches_is_told(points: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tiny_data.DOCUMENT.replace(
        "modules:\n", "modules:\n  spare: {uses: core.linear, with: {input_dim: 4, output_dim: 2}}\n"
    )
    text = text.replace(
        "    outputs: {scores: scores,",
        "      others: {call: spare.scores, inputs: vector}\n    outputs: {others: others, scores: scores,",
    )
    (points / "points.yaml").write_text(text)
    train_document("points.yaml", out="out", recipe="recipe.yaml")
    assert "no objective reaches spare" in capsys.readouterr().err


def test_lazy_samples_train(points: Path) -> None:
    edited(points, "batch: 4", "with: {fault: lazy}\n    batch: 4")
    record = train_document("points.yaml", out="out", recipe="recipe.yaml")
    assert record["scores"]["validation"]["sort"]["samples"] == 4
