"""A user's own rows: which split each belongs to, and that it stays there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from saved_data import save_splits

from composer.data import DataError, OwnRows, read_own
from composer.graph import check
from composer.recipes import TaskRecipe, data_recipe

COLORS = ("red", "blue")


def rows(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"point": [n, n % 7], "truth": COLORS[n % 2], **more} for n in range(count)]


def write(path: str, lines: list[dict[str, Any]]) -> str:
    Path(path).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def read(data: Any) -> OwnRows:
    recipe = TaskRecipe.model_construct(batch=2, fields={}, group=None)
    return read_own(check("points.yaml").raise_for_errors().tasks["sort"], recipe, data_recipe(data), Path())


def points(own: OwnRows, split: str) -> list[int]:
    return [sample["point"][0] for sample in own.samples(split)]


def test_a_share_is_held_out_that_more_rows_do_not_change(folder: Path) -> None:
    write("a.jsonl", rows(200))
    own = read({"files": "a.jsonl", "validation_share": 0.2, "test_share": 0.1})
    before = {split: points(own, split) for split in ("train", "validation", "test")}
    assert sorted(n for part in before.values() for n in part) == list(range(200))
    assert 20 <= len(before["validation"]) <= 60
    assert 5 <= len(before["test"]) <= 35
    write("a.jsonl", [*rows(300)[200:], *rows(200)])  # new rows before the old ones
    own = read({"files": "a.jsonl", "validation_share": 0.2, "test_share": 0.1})
    for split, part in before.items():
        assert [n for n in points(own, split) if n < 200] == part


def test_another_seed_draws_other_rows(folder: Path) -> None:
    write("a.jsonl", rows(200))
    drawn = [
        points(read({"files": "a.jsonl", "validation_share": 0.2, "split_seed": seed}), "validation")
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_share_is_held_out_unbidden_of_enough_rows_and_never_beside_another_split(folder: Path) -> None:
    write("few.jsonl", rows(49))
    write("many.jsonl", rows(200))
    write("test.jsonl", [{"point": [-1, 0], "truth": "red"}])
    assert read("few.jsonl").splits == ("train",)
    assert sorted(read("many.jsonl").splits) == ["train", "validation"]
    assert read({"files": "many.jsonl", "validation_share": 0}).splits == ("train",)
    assert sorted(read({"files": "many.jsonl", "test_share": 0.1}).splits) == ["test", "train", "validation"]
    assert sorted(read({"files": "many.jsonl", "test_share": 0.6}).splits) == ["test", "train"]
    assert sorted(read({"files": {"train": "many.jsonl", "test": "test.jsonl"}}).splits) == ["test", "train"]


def test_rows_with_one_content_stay_together(folder: Path) -> None:
    write("a.jsonl", [row for row in rows(100) for _ in range(3)])
    own = read({"files": "a.jsonl", "validation_share": 0.3})
    assert not set(points(own, "train")) & set(points(own, "validation"))
    write(
        "a.jsonl", [{**row, "id": n} for n, row in enumerate([*rows(100), *rows(100)])]
    )  # alike but for their names
    own = read({"files": {"train": "a.jsonl"}, "validation_share": 0.3})
    assert sum(len(own.samples(split)) for split in own.splits) == 200
    assert not set(points(own, "train")) & set(points(own, "validation"))
    named = [{**row, "id": n} for n, row in enumerate(rows(100))]
    write("a.jsonl", named)
    first = points(read({"files": "a.jsonl", "validation_share": 0.3}), "validation")
    write("a.jsonl", [{**row, "truth": "red"} for row in named])  # a label that is mended moves no row
    assert points(read({"files": "a.jsonl", "validation_share": 0.3}), "validation") == first


def test_a_column_says_the_split_by_any_usual_name(folder: Path) -> None:
    parts = ("training", "val", "test", "train")
    write("a.jsonl", [{**row, "part": parts[n % 4]} for n, row in enumerate(rows(8))])
    own = read({"files": "a.jsonl", "split_by": "part"})
    assert {split: points(own, split) for split in own.splits} == {
        "train": [0, 3, 4, 7],
        "validation": [1, 5],
        "test": [2, 6],
    }


def test_folders_and_saved_data_sets_have_splits_of_their_own(folder: Path) -> None:
    for name in ("train/red/1", "train/blue/2", "val/red/3"):
        path = folder / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[1, 2]")
    own = read({"files": "pictures", "columns": {"point": "file"}})
    assert {split: len(own.samples(split)) for split in own.splits} == {"train": 2, "validation": 1}
    pytest.importorskip("pyarrow", reason="needs multimodal-composer[rows]")
    save_splits(folder / "saved", {"train": rows(3), "test": rows(4)[3:]})
    own = read("saved")
    assert {split: points(own, split) for split in own.splits} == {"train": [0, 1, 2], "test": [3]}


def test_rows_that_are_all_alike_cannot_be_split_which_is_said(folder: Path) -> None:
    write("a.jsonl", [{"point": [1, 2], "truth": COLORS[n % 2]} for n in range(60)])
    notes = "\n".join(read("a.jsonl").notes)
    assert (
        "60 train (a share of 0.1 for validation holds out none: rows that hold the same stay together)"
        in notes
    )


def test_rows_of_two_splits_that_are_given_are_counted_and_stay(folder: Path) -> None:
    write("a.jsonl", rows(6))
    write("b.jsonl", rows(20)[4:])
    own = read({"files": {"train": "a.jsonl", "validation": "b.jsonl"}})
    own.hold_good()
    assert points(own, "train") == [0, 1, 2, 3, 4, 5]
    assert (
        "2 of 6 rows of split `train` are rows of split `validation` too, the first of them a.jsonl, row 5 "
        "(line 5) and b.jsonl, row 1 (line 1): scores on these say nothing of new rows"
    ) in own.notes
    assert own.record()["also_trained"] == {"validation": 2}


@pytest.mark.parametrize(
    ("options", "key", "said"),
    [
        ({"split_by": "prt"}, "files", "no column `prt`"),
        ({"split_by": "truth"}, "split_by", "no row says `train` in its column `truth`, but blue, red"),
        ({"validation_share": 0.001}, "validation_share", "split `validation` has 0 rows"),
        ({"media_root": "nowhere"}, "media_root", "nowhere is not a folder"),
        ({"columns": {"truht": "truth"}}, "columns", "no input `truht`"),
        ({"columns": {"truth": "colour"}}, "columns", "no column `colour`"),
    ],
)
def test_what_cannot_be_done_is_said(folder: Path, options: dict[str, Any], key: str, said: str) -> None:
    write("a.jsonl", rows(10))
    with pytest.raises(DataError) as caught:
        read({"files": "a.jsonl", **options})
    assert said in str(caught.value)
    assert caught.value.key == (key,)


def test_numbers_of_classes_are_scored_against_their_names(folder: Path) -> None:
    from composer.training import train_document

    text = Path("points.yaml").read_text()
    Path("points.yaml").write_text(text.replace("outputs: {color: best.name}", "outputs: {scores: scores}"))
    write("a.jsonl", [{"point": [9 * (n % 2), n / 60], "truth": COLORS[n % 2]} for n in range(60)])
    data = {"files": "a.jsonl", "validation_share": 0.3}
    record = train_document("points.yaml", out="out", data=data, epochs=20, batch=8, learning_rate=0.3)
    assert record["scores"]["validation"]["sort"]["accuracy"] == 1.0


def test_a_run_goes_on_with_its_own_rows_alone(folder: Path) -> None:
    from composer.problems import InputError
    from composer.training import train_document

    options: dict[str, Any] = {"data": "a.jsonl", "batch": 4, "learning_rate": 0.1}
    write("a.jsonl", rows(12))
    train_document("points.yaml", out="out", epochs=1, **options)
    train_document("points.yaml", out="out", epochs=2, resume=True, **options)
    write("a.jsonl", [*rows(11), {"point": [1, 1], "truth": "red"}])
    with pytest.raises(InputError, match=r"belongs to other data .*the rows are others"):
        train_document("points.yaml", out="out", epochs=3, resume=True, **options)
