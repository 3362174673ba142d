"""docs/models.md: its documents check, and its Python runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_folders
from pages import blocks, files_of, run_block, write_files

import composer

BLOCKS = blocks("models.md")
FILES = files_of(BLOCKS)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tiny_folders.save_folder(tmp_path / "language", "llama-ropes", chat=True)
    write_files(tmp_path, FILES)
    return tmp_path


def test_the_documents_of_the_page_have_no_problem(place: Path) -> None:
    assert FILES
    assert [str(problem) for file in FILES for problem in composer.check(file).problems] == []


def test_the_python_of_the_page_runs(place: Path) -> None:
    names: dict[str, object] = {}
    for block in BLOCKS:
        if block.language == "python":
            run_block(block, "models.md", names)
