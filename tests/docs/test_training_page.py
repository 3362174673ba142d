"""docs/training.md: its files make a run from end to end, and every key of a recipe is on the page."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import DOCS, Block, blocks

from composer.cli import main
from composer.problems.codes import CODES
from composer.recipes import Recipe, TaskRecipe

BLOCKS = blocks("training.md")
FILES = {b.comment.removeprefix("file: "): b.text for b in BLOCKS if b.comment.startswith("file: ")}
STEPS = [block for block in BLOCKS if not block.comment]
METADATA = "Metadata-Version: 2.1\nName: composer-points\nVersion: 0.1.0\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The files of the page, their plugin installed, as the current folder of every block."""
    place = tmp_path_factory.mktemp("training")
    info = {"METADATA": METADATA, "entry_points.txt": "[composer]\npoints = composer_points\n"}
    for name, text in FILES.items() | {(f"composer_points-0.1.0.dist-info/{n}", t) for n, t in info.items()}:
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(place)
        patch.chdir(place)
        yield place
    for name in [name for name in sys.modules if name.startswith("composer_points")]:
        del sys.modules[name]


@pytest.mark.parametrize("block", STEPS, ids=lambda block: f"line {block.line}")
def test_a_block_runs(block: Block, folder: Path) -> None:
    if block.language == "python":
        exec(compile(block.text, f"training.md:{block.line}", "exec"), {"__name__": "block"})
        return
    assert block.language == "bash"
    for line in block.text.splitlines():
        command = shlex.split(line, comments=True)
        assert command[0] == "composer"
        assert main(command[1:]) == 0, line


def test_the_run_of_the_page_has_left_what_it_says(folder: Path) -> None:
    assert {path.name for path in (folder / "runs").iterdir()} == {
        "points.safetensors",
        "points.json",
        "points.checkpoint",
        "adapter.safetensors",
        "adapter.json",
        "adapter.checkpoint",
        "merged.safetensors",
    }
    record = json.loads((folder / "runs" / "points.json").read_text())
    assert len(record["curve"]) == 5
    assert record["scores"]["validation"]["sort"].keys() == {"accuracy", "samples"}


def test_every_key_of_a_recipe_is_on_the_page() -> None:
    page = (DOCS / "training.md").read_text(encoding="utf-8")
    for model in (Recipe, TaskRecipe):
        for name, field in model.model_fields.items():
            assert f"`{field.alias or name}`" in page
    assert all(
        code in page or int(code[1:]) in range(402, 405) or code == "C407" for code in CODES if code[1] == "4"
    )
