"""What a run without a recipe does, and the recipe that says it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from composer.cli import main
from composer.data.data_checker import check_data
from composer.data.default_recipe import Defaults
from composer.recipes import check_recipe

ROWS = "id,point,color\n" + "".join(f'r{n},"[{n % 2}, {n}]",{("red", "blue")[n % 2]}\n' for n in range(64))


@pytest.fixture
def data(folder: Path) -> Path:
    (folder / "my data").mkdir()
    (folder / "my data" / "a.csv").write_text(ROWS)
    return folder


def written(*options: str) -> dict[str, object]:
    Path("training").mkdir(exist_ok=True)
    Path("training/points.yaml").unlink(missing_ok=True)
    assert main(["train", "points.yaml", *options, "--write-recipe", "training/points.yaml"]) == 0
    found: dict[str, object] = yaml.safe_load(Path("training/points.yaml").read_text())
    return found


def test_a_recipe_is_written_that_says_all_and_is_followed(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = written(
        "--data", "my data/a.csv", "--map", "truth=color", "--bad-rows", "skip", "--media-root", "my data"
    )
    assert made == {
        "document": "../points.yaml",
        "epochs": 10,
        "learning_rate": 0.001,
        "warmup": 0.1,
        "validation": {"every": "1 epoch", "loss": True, "best": "sort.loss"},
        "tasks": {
            "sort": {
                "data": {
                    "files": "../my data/a.csv",
                    "columns": {"truth": "color"},
                    "media_root": "../my data",
                    "bad_rows": "skip",
                },
                "batch": 16,
            }
        },
    }
    report = check_data(check_recipe(Path("training/points.yaml")))
    assert report.problems == ()
    capsys.readouterr()
    assert main(["train", "points.yaml", "--out", "out", "--epochs", "1"]) == 0
    told = capsys.readouterr().err
    assert "validation sort: exact_match" in told
    assert Path("out.best.safetensors").is_file()
    assert "without a recipe" not in told


def test_a_recipe_is_never_written_over(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.yaml").write_text("mine")
    options = ["--data", "my data/a.csv", "--map", "truth=color", "--write-recipe", "mine.yaml"]
    assert main(["train", "points.yaml", *options]) == 1
    assert Path("mine.yaml").read_text() == "mine"
    assert main(["train", "points.yaml", "--write-recipe", "other.yaml"]) == 2


def test_what_is_asked_for_is_in_it(data: Path) -> None:
    options = [
        "--epochs",
        "3",
        "--batch-size",
        "4",
        "--learning-rate",
        "0.5",
        "--seed",
        "7",
        "--split-seed",
        "2",
    ]
    made = written("--data", "my data/a.csv", "--map", "truth=color", *options)
    assert (made["epochs"], made["learning_rate"], made["seed"]) == (3, 0.5, 7)
    assert made["tasks"]["sort"]["batch"] == 4  # type: ignore[index]
    assert made["tasks"]["sort"]["data"]["split_seed"] == 2  # type: ignore[index]


def test_files_of_several_splits(data: Path) -> None:
    (data / "b.csv").write_text(ROWS.replace(", ", ", 9").replace("\nr", "\ns"))
    made = written(
        "--data", "train=my data/a.csv", "--data", "val=b.csv", "--map", "truth=color", "--bad-rows", "skip"
    )
    assert made["tasks"]["sort"]["data"]["files"] == {"train": "../my data/a.csv", "validation": "../b.csv"}  # type: ignore[index]


def test_weights_that_the_document_calls_fresh_are_no_trained_ones(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path("points.yaml").read_text()
    head = "head: {uses: core.linear, with: {input_dim: 2, output_dim: 2}"
    assert head in text
    Path("points.yaml").write_text(text.replace(head, f"{head}, weights: fresh"))
    options = ["--data", "my data/a.csv", "--map", "truth=color"]
    assert written(*options)["learning_rate"] == 0.001
    capsys.readouterr()
    Path("training/points.yaml").unlink()
    assert main(["train", "points.yaml", *options, "--epochs", "1", "--out", "out"]) == 0
    assert "learning rate 0.001 (what learns begins with fresh weights)" in capsys.readouterr().err
    assert (
        main(["train", "points.yaml", *options, "--epochs", "1", "--learning-rate", "0.5", "--out", "own"])
        == 0
    )
    assert "learning rate 0.5, warm-up" in capsys.readouterr().err


def test_trained_weights_are_tuned_slowly_and_what_begins_fresh_is_not(folder: Path) -> None:
    text = Path("points.yaml").read_text()
    text = text.replace(
        "modules:\n", "modules:\n  body: {uses: core.linear, with: {input_dim: 2, output_dim: 2}}\n"
    )
    text = text.replace(
        "scores: {call: head.scores, inputs: point}",
        "felt: {call: body.embedding, inputs: point}\n      scores: {call: head.scores, inputs: felt}",
    )
    Path("points.yaml").write_text(text)
    Path("a.csv").write_text(ROWS)
    assert (
        main(
            [
                "train",
                "points.yaml",
                "--data",
                "a.csv",
                "--map",
                "truth=color",
                "--epochs",
                "1",
                "--out",
                "one",
            ]
        )
        == 0
    )
    first = written("--data", "a.csv", "--map", "truth=color")
    assert (first["learning_rate"], first.get("optimizer")) == (0.001, None)
    all_of_it = written("--data", "a.csv", "--map", "truth=color", "--weights", "one.safetensors")
    assert (all_of_it["learning_rate"], all_of_it.get("optimizer")) == (5e-05, None)
    for options in (
        ["--weights", "one.safetensors", "--init", "head"],
        ["--weights", "body=one.safetensors"],
    ):
        made = written("--data", "a.csv", "--map", "truth=color", *options)
        assert made["learning_rate"] == 5e-05
        assert made["optimizer"] == {"groups": [{"weights": ["head"], "learning_rate": 0.001}]}
    Path("points.yaml").write_text(text.replace("output_dim: 2}}\n", "output_dim: 2}, freeze: true}\n", 1))
    frozen = written("--data", "a.csv", "--map", "truth=color", "--weights", "body=one.safetensors")
    assert (frozen["learning_rate"], frozen.get("optimizer")) == (0.001, None)


def test_a_run_is_validated_after_every_epoch_where_rows_are_held_out(data: Path) -> None:
    options = ["--data", "my data/a.csv", "--map", "truth=color"]
    assert main(["train", "points.yaml", *options, "--epochs", "3", "--out", "out"]) == 0
    lines = map(json.loads, Path("out.metrics.jsonl").read_text().splitlines())
    validated = [line for line in lines if "scores" in line]
    assert [line["epoch"] for line in validated] == [1, 2, 3]
    assert validated[0]["scores"]["sort"].keys() >= {"exact_match", "loss"}
    assert "validation" not in written(*options, "--validation-share", "0")


@pytest.mark.parametrize(
    ("rows", "batch", "epochs"), [(1, 1, 10), (10, 10, 10), (500, 16, 10), (3200, 16, 3), (10**6, 16, 3)]
)
def test_a_run_is_neither_short_nor_long(rows: int, batch: int, epochs: int) -> None:
    made = Defaults(rows, 1e-3, "")
    assert (made.batch, made.epochs) == (batch, epochs)


@pytest.mark.parametrize(
    ("value", "code", "line"),
    [
        ("b.csv", "C410", 6),
        ("{files: a.csv, columns: {truth: colour}}", "C411", 6),
        ("a.csv", "C411", 6),
        ("{files: {validation: a.csv}}", "C102", 6),
        ("{files: a.csv, bad_rows: skp}", "C102", 6),
        ("{files: a.csv, split_by: color, validation_share: 0.2}", "C102", 6),
        ("{file: a.csv}", "C101", 6),
        ("[]", "C102", 6),
        ("3", "C102", 6),
    ],
)
def test_data_in_a_recipe_are_checked_with_their_place(
    folder: Path, value: str, code: str, line: int
) -> None:
    Path("a.csv").write_text(ROWS)
    Path("recipe.yaml").write_text(
        f"document: points.yaml\nepochs: 1\nlearning_rate: 0.01\ntasks:\n  sort:\n    data: {value}\n    batch: 2\n"
    )
    report = check_data(check_recipe(Path("recipe.yaml")))
    found = [(problem.code, problem.place.line) for problem in report.problems]
    assert found == [(code, line)]
    assert all(problem.helps for problem in report.problems if problem.code not in ("C410", "C102", "C101"))


def test_one_way_to_say_the_data(folder: Path) -> None:
    for both in ("", "    data: a.csv\n    dataset: demo\n"):
        Path("recipe.yaml").write_text(
            f"document: points.yaml\nepochs: 1\nlearning_rate: 0.01\ntasks:\n  sort:\n    batch: 2\n{both}"
        )
        Path("a.csv").write_text(ROWS)
        codes = [problem.code for problem in check_recipe(Path("recipe.yaml")).problems]
        assert "C102" in codes


def test_checking_data_imports_no_torch(data: Path) -> None:
    import subprocess
    import sys

    written("--data", "my data/a.csv", "--map", "truth=color")
    code = (
        "import sys; from composer.cli import main; assert main(['check', 'training/points.yaml']) == 0; "
        "assert not {'torch', 'numpy', 'PIL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=data)
