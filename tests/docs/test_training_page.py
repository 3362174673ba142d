"""docs/training.md: its files make a run from end to end, and every key of a recipe is on the page."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import DOCS, Block, blocks, files_of, run_block, write_files

from composer.problems.codes import CODES
from composer.recipes import (
    OptimizerRecipe,
    Recipe,
    ScheduleRecipe,
    TaskRecipe,
    ValidationRecipe,
    WeightsRecipe,
)

BLOCKS = blocks("training.md")
FILES = files_of(BLOCKS)
STEPS = [block for block in BLOCKS if not block.comment]
METADATA = "Metadata-Version: 2.1\nName: composer-points\nVersion: 0.1.0\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files of the page, their plugin installed, as the current folder of every block."""
    place = tmp_path_factory.mktemp("training")
    info = {"METADATA": METADATA, "entry_points.txt": "[composer]\npoints = composer_points\n"}
    write_files(place, FILES | {f"composer_points-0.1.0.dist-info/{n}": t for n, t in info.items()})
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(place)
        patch.chdir(place)
        yield place
    for name in [name for name in sys.modules if name.startswith("composer_points")]:
        del sys.modules[name]


@pytest.mark.parametrize("block", STEPS, ids=lambda block: f"line {block.line}")
def test_a_block_runs(block: Block, folder: Path) -> None:
    run_block(block, "training.md")


def test_the_run_of_the_page_has_left_what_it_says(folder: Path) -> None:
    assert {path.name for path in (folder / "runs").iterdir()} == {
        "points.safetensors",
        "points.json",
        "points.checkpoint",
        "points.curves.svg",
        "points.metrics.jsonl",
        "adapter.safetensors",
        "adapter.json",
        "adapter.checkpoint",
        "adapter.curves.svg",
        "adapter.metrics.jsonl",
        "merged.safetensors",
    }
    assert (folder / "careful" / "points.best.safetensors").is_file()
    record = json.loads((folder / "runs" / "points.json").read_text())
    assert len(record["curve"]) == 5
    assert record["scores"]["validation"]["sort"].keys() == {"accuracy", "samples"}


def test_every_key_of_a_recipe_is_on_the_page() -> None:
    page = (DOCS / "training.md").read_text(encoding="utf-8")
    for model in (Recipe, TaskRecipe, ScheduleRecipe, ValidationRecipe, OptimizerRecipe, WeightsRecipe):
        for name, field in model.model_fields.items():
            assert f"`{field.alias or name}`" in page
    assert all(
        code in page or int(code[1:]) in range(402, 405) or code == "C407" for code in CODES if code[1] == "4"
    )
