"""Data that are wrong in the ways in which people get them wrong: one clear error with file, row and column, before
the first step, and nothing is written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from composer.problems import ComposerError, DocumentError, InputError
from composer.training import check_training, train_document

GOOD = 'point,truth\n"[1, 2]",red\n"[3, 1]",blue\n"[0, 2]",red\n"[4, 1]",blue\n'
PICTURES = """\
composer: 1
name: pictures
modules:
  eye: {uses: timm.backbone, with: {model: resnet10t, image_size: 32}, freeze: true}
  head: {uses: core.linear, with: {output_dim: 2}}
tasks:
  sort:
    inputs: {photo: {modality: image, for: eye}}
    nodes:
      seen: {call: eye.pooled, inputs: photo}
      scores: {call: head.scores, inputs: seen}
      best: {uses: core.argmax, with: {names: [cat, dog]}, inputs: scores}
    outputs: {name: best.name}
    objective:
      inputs: {truth: {modality: label, with: {names: [cat, dog]}}}
      nodes: {cost: {uses: core.class_loss, inputs: {scores: scores, classes: truth}}}
      loss: cost.loss
"""


def refused(folder: Path, document: str = "points.yaml", **options: Any) -> str:
    """What a run is refused with; it leaves no file."""
    before = sorted(path for path in folder.rglob("*"))
    with pytest.raises(InputError) as caught:
        train_document(document, out="made/out", **options)
    assert sorted(path for path in folder.rglob("*")) == before
    return str(caught.value)


def test_the_good_data_are_taken(folder: Path) -> None:
    Path("a.csv").write_text(GOOD)
    prepared = check_training("points.yaml", data="a.csv")
    assert prepared.own["sort"].splits == ("train",)


LINES = [
    ("ragged", '"[1, 2]"\n', "a.csv, row 5 (line 6): it has 1 value, and the first line names 2 columns"),
    (
        "unknown class",
        '"[1, 2]",green\n',
        "row 5 (line 6), column `truth`: 'green' is not one of the 2 classes (red, blue)",
    ),
    ("slip", '"[1, 2]",rde\n', "did you mean `red`?"),
    ("capital", '"[1, 2]",Red\n', "did you mean `red`?"),
    (
        "number beyond",
        '"[1, 2]",2\n',
        "column `truth`: class 2 is out of range: the 2 classes are numbered from 0 to 1",
    ),
    ("below zero", '"[1, 2]",-1\n', "column `truth`: class -1 is out of range"),
    ("fraction", '"[1, 2]",1.0\n', "column `truth`: '1.0' is not one of the 2 classes"),
    ("no class", '"[1, 2]",\n', "column `truth`: there is no class: the value is empty"),
    ("not a number", '"[1, NaN]",red\n', "column `point`: it holds a number that is not finite"),
    ("text for numbers", 'red,"[1, 2]"\n', "column `point`: an input of modality `array` takes an array"),
    ("too many numbers", '"[1, 2, 3]",red\n', "column `point`: "),
    ("not UTF-8", '"[1, 2]",r\udcffd\n', "column `truth` is not UTF-8"),
]


@pytest.mark.parametrize(("name", "line", "said"), LINES, ids=[line[0] for line in LINES])
def test_a_row_at_fault_is_named_by_file_row_and_column(
    folder: Path, name: str, line: str, said: str
) -> None:
    Path("a.csv").write_bytes((GOOD + line).encode("utf-8", "surrogateescape"))
    told = refused(folder, data="a.csv")
    assert said in told
    assert "a.csv, row 5 (line 6)" in told
    assert told.count("\n") == 0
    assert "--bad-rows skip" in told


def test_bad_rows_are_left_out_where_that_is_asked_for_and_told(folder: Path) -> None:
    Path("a.csv").write_text(GOOD + '"[1, 2]",green\n"[1]",red\n')
    record = train_document(
        "points.yaml", out="out", data={"files": "a.csv", "bad_rows": "skip"}, epochs=1, batch=2
    )
    left_out = record["data"]["sort"]["left_out"]
    assert left_out["rows"] == 2
    assert left_out["first"][0].startswith("a.csv, row 5 (line 6), column `truth`")
    Path("a.csv").write_text(GOOD + '"[1, 2]",green\n' * 5)
    assert "that is more than half of them" in refused(folder, data={"files": "a.csv", "bad_rows": "skip"})


def test_a_row_without_a_reference_is_not_scored_with_a_word_for_nothing(folder: Path) -> None:
    """Rows that are trained on alone need none."""
    scored = "    evaluation: {reference: told, metrics: {accuracy: core.accuracy}}\n"
    (folder / "points.yaml").write_text((folder / "points.yaml").read_text() + scored)
    Path("a.csv").write_text(GOOD)
    data = {"train": "a.csv", "validation": "b.jsonl"}
    rows = '{"point": [1, 2], "truth": "red", "told": "red"}\n{"point": [2, 1], "truth": "blue"}\n'
    Path("b.jsonl").write_text(rows)
    told = refused(folder, data={"files": data})
    assert "b.jsonl, row 2 (line 2), column `told`: there is no reference to score its answer with" in told
    kept = check_training("points.yaml", data={"files": data, "bad_rows": "skip"}).own["sort"]
    assert {name: len(kept.samples(name)) for name in kept.splits} == {"train": 4, "validation": 1}
    assert not [note for note in kept.notes if "nothing reads" in note]
    Path("b.jsonl").write_text(rows.replace(', "told": "red"', ""))
    told = refused(folder, data={"files": data})
    assert "no row of split `validation` has a column `told`, with which answers are scored (C411)" in told
    assert "or score nothing (metrics: {})" in told


def test_where_no_row_of_training_can_be_used_their_faults_are_told(folder: Path) -> None:
    Path("a.csv").write_text("point,truth\n,red\n,blue\n")
    Path("b.csv").write_text(GOOD)
    data = {"train": "a.csv", "validation": "b.csv"}
    assert "2 of 6 rows cannot be used: a.csv, row 1 (line 2), column `point`" in refused(
        folder, data={"files": data}
    )
    told = refused(folder, data={"files": data, "bad_rows": "skip"})
    assert "split `train` has 0 rows that can be used (C414)" in told


def test_many_bad_rows_are_counted_and_the_first_shown(folder: Path) -> None:
    Path("a.csv").write_text(GOOD.replace("red", "green").replace("blue", "green"))
    assert "no rows of split" not in refused(folder, data="a.csv"), "what follows from it is not told, too"
    Path("a.csv").write_text(GOOD + '"[1, 2]",green\n' * 30)
    told = refused(folder, data="a.csv")
    assert "30 of 34 rows cannot be used" in told
    assert "and 25 more" in told


FILES = [
    ("missing column", "point,colour\n[1],red\n", "a.csv has no column `truth`"),
    ("hint to a map", "point,colour\n[1],red\n", "--map truth=COLUMN"),
    ("semicolons", "point;truth\n1;red\n", "a.csv has one column, 'point;truth': put commas between columns"),
    ("empty", "", "a.csv is empty"),
    ("head alone", "point,truth\n", "a.csv has no rows"),
    (
        "one class",
        'point,truth\n"[1, 2]",red\n"[2, 2]",red\n',
        "have the class `red` in input `truth`: there is nothing to learn",
    ),
    (
        "ids twice",
        'id,point,truth\na,"[1, 2]",red\nb,"[2, 2]",blue\na,"[3, 3]",red\n',
        "column `id`: 'a' is the name of a.csv, row 1",
    ),
]


@pytest.mark.parametrize(("name", "text", "said"), FILES, ids=[file[0] for file in FILES])
def test_a_table_at_fault_is_one_error(folder: Path, name: str, text: str, said: str) -> None:
    Path("a.csv").write_text(text)
    told = refused(folder, data="a.csv")
    assert said in told
    assert told.count("\n") == 0


def test_a_class_that_never_occurs_is_an_error_unless_it_is_allowed(folder: Path) -> None:
    text = (folder / "points.yaml").read_text().replace("[red, blue]", "[red, blue, green]")
    (folder / "points.yaml").write_text(text.replace("output_dim: 2", "output_dim: 3"))
    Path("a.csv").write_text(GOOD)
    told = refused(folder, data="a.csv")
    assert "the class `green` of input `truth` does not occur in split `train`" in told
    assert "--absent-classes allow" in told
    check_training("points.yaml", data={"files": "a.csv", "absent_classes": "allow"})


def test_a_head_with_another_number_of_classes_is_an_error_of_the_document(folder: Path) -> None:
    text = (folder / "points.yaml").read_text()
    (folder / "points.yaml").write_text(
        text.replace("modality: label, with: {names: [red, blue]}", "modality: label, with: {count: 3}")
    )
    Path("a.csv").write_text(GOOD)
    with pytest.raises(DocumentError, match="there are 3 classes") as caught:
        train_document("points.yaml", out="made/out", data="a.csv")
    assert [problem.code for problem in caught.value.problems] == ["C222"]


def test_data_of_a_recipe_are_at_fault_at_their_place(folder: Path) -> None:
    Path("a.csv").write_text(GOOD + '"[1, 2]",green\n')
    Path("recipe.yaml").write_text(
        "document: points.yaml\nepochs: 1\nlearning_rate: 0.01\ntasks:\n  sort:\n    data: a.csv\n    batch: 2\n"
        "    output: color\n    reference: truth\n    metrics: {}\n"
    )
    with pytest.raises(DocumentError) as caught:
        check_training("points.yaml", recipe="recipe.yaml")
    (problem,) = caught.value.problems
    assert (problem.code, problem.place.file, problem.place.line) == ("C412", "recipe.yaml", 6)
    assert "a.csv, row 5 (line 6), column `truth`" in problem.message


@pytest.fixture
def pictures(folder: Path) -> Path:
    from PIL import Image

    (folder / "pictures.yaml").write_text(PICTURES)
    random = np.random.default_rng(0)
    for number in range(8):
        path = folder / "photos" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (40, 40, 3), dtype="uint8")).save(path)
    return folder


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("truncated", "photos/dog/3.png, column `file`: "),
        (b"", "photos/dog/3.png, column `file`: "),
        (b"hello", "photos/dog/3.png, column `file`: "),
    ],
    ids=["truncated", "empty", "text"],
)
def test_a_picture_that_cannot_be_read_is_named(pictures: Path, content: object, said: str) -> None:
    path = pictures / "photos" / "dog" / "3.png"
    path.write_bytes(path.read_bytes()[:200] if content == "truncated" else content)  # type: ignore[arg-type]
    assert said in refused(pictures, "pictures.yaml", data="photos")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("cat/99.png", "row 3 (line 4), column `photo`: cat/99.png does not exist below"),
        ("../secret.png", "row 3 (line 4), column `photo`: ../secret.png lies outside of"),
        ("", "row 3 (line 4), column `photo`: "),
    ],
)
def test_a_path_that_leads_nowhere_or_out_is_named(pictures: Path, value: str, said: str) -> None:
    (pictures / "secret.png").write_bytes((pictures / "photos" / "cat" / "0.png").read_bytes())
    Path("photos/table.csv").write_text(f"photo,truth\ncat/0.png,cat\ndog/1.png,dog\n{value},dog\n")
    assert said in refused(pictures, "pictures.yaml", data="photos/table.csv")


def test_pictures_in_folders_train_and_the_answer_is_a_word(pictures: Path) -> None:
    import composer

    record = train_document("pictures.yaml", out="out", data="photos", epochs=1)
    assert record["data"]["sort"]["columns"] == {"photo": "file", "truth": "class"}
    model = composer.load("pictures.yaml", weights="out.safetensors")
    assert model.run("sort", photo="photos/cat/0.png")["name"] in ("cat", "dog")


def test_a_picture_found_out_late_is_left_out_and_told(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from composer.data import looking_through

    monkeypatch.setattr(
        looking_through, "MOST_FILES", 1
    )  # of the files of training, the first alone is decoded early
    (pictures / "photos" / "dog" / "3.png").write_bytes(b"")
    data = {"files": "photos", "bad_rows": "skip"}
    record = train_document("pictures.yaml", out="out", data=data, epochs=1, batch=4)
    left_out = record["data"]["sort"]["left_out"]
    assert left_out["rows"] == 1
    assert left_out["first"][0].startswith("photos/dog/3.png")
    with pytest.raises(ComposerError, match=r"photos/dog/3\.png, column `file`"):
        train_document("pictures.yaml", out="other", data="photos", epochs=1, batch=4)


def test_rows_are_looked_at_in_several_processes_and_told_in_their_order(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from composer_vision.decoders import DECODER

    from composer.data import looking_through
    from composer.media import decoders
    from composer.media.decoder_pool import DecoderPool

    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(looking_through, "ROWS_AT_ONCE", 1)
    pool = DecoderPool(DECODER)
    monkeypatch.setitem(decoders._POOLS, DECODER, pool)
    bad = ["cat/0.png", "cat/6.png", "dog/3.png"]
    for name in bad:
        (pictures / "photos" / name).write_bytes(b"hello")
    data = {"files": "photos", "bad_rows": "skip"}
    record = train_document("pictures.yaml", out="out", data=data, epochs=1, batch=4)
    left_out = record["data"]["sort"]["left_out"]
    assert left_out["rows"] == 3
    assert [line.partition(",")[0] for line in left_out["first"]] == [f"photos/{name}" for name in bad]
    assert len(pool._waiting) == 2
    pool.close()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("null", "its column `truth` has no value"),
        ("1.5", "1.5 is not a class: a class is a whole number or a name"),
        ("[1]", "[1] is not one of the 2 classes"),
        ("{}", "{} is not one of the 2 classes"),
        ("true", "True is not one of the 2 classes"),
        ("7", "class 7 is out of range"),
    ],
)
def test_a_value_of_json_that_is_not_a_class_is_named(folder: Path, value: str, said: str) -> None:
    good = '{"point": [1, 2], "truth": "red"}\n{"point": [2, 2], "truth": 1}\n'
    Path("a.jsonl").write_text(f'{good}{{"point": [3, 3], "truth": {value}}}\n')
    told = refused(folder, data="a.jsonl")
    assert said in told
    assert "a.jsonl, row 3 (line 3)" in told


@pytest.mark.parametrize("value", ["1.5", "NaN", "red", "", "[1]"])
def test_a_number_of_a_class_is_whole(folder: Path, value: str) -> None:
    text = Path("points.yaml").read_text()
    plain = text.replace(
        "{modality: label, with: {names: [red, blue]}}", "{modality: array, with: {kind: classes, dims: [B]}}"
    )
    Path("points.yaml").write_text(plain)
    Path("a.csv").write_text(f'point,truth\n"[1, 2]",0\n"[2, 1]",1\n"[3, 3]",{value}\n')
    told = refused(folder, data="a.csv")
    assert "a.csv, row 3 (line 4), column `truth`: " in told
    assert told.count("\n") == 0
