"""docs/weights.md: its document loads as it says, its Python runs, its error is the one that is raised."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import blocks, files_of, run_block, write_files

import composer
from composer.weights import WeightsError
from composer.weights.roots import ROOTS

BLOCKS = blocks("weights.md")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path, files_of(BLOCKS))
    return tmp_path


def test_the_python_of_the_page_runs(place: Path) -> None:
    names: dict[str, object] = {}
    for block in BLOCKS:
        if block.language == "python":
            run_block(block, "weights.md", names)


def test_the_error_is_the_one_that_is_raised(place: Path) -> None:
    (shown,) = (block.text.strip() for block in BLOCKS if block.language == "text")
    with pytest.raises(WeightsError) as caught:
        composer.load("child.yaml")
    assert shown in str(caught.value)


def test_the_page_names_every_root_in_order() -> None:
    text = (Path(__file__).parents[2] / "docs" / "weights.md").read_text(encoding="utf-8")
    places = [text.index(f"`{root}`", text.index("They are looked for")) for root in ROOTS]
    assert places == sorted(places)
