"""docs/models.md: its documents check, and its Python runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_folders
from pages import blocks

import composer

BLOCKS = blocks("models.md")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tiny_folders.save_folder(tmp_path / "language", "llama-ropes", chat=True)
    for block in BLOCKS:
        if block.comment.startswith("file: "):
            Path(block.comment.removeprefix("file: ")).write_text(block.text)
    return tmp_path


def test_the_documents_of_the_page_have_no_problem(place: Path) -> None:
    files = [block.comment.removeprefix("file: ") for block in BLOCKS if block.comment.startswith("file: ")]
    assert files
    assert [str(problem) for file in files for problem in composer.check(file).problems] == []


def test_the_python_of_the_page_runs(place: Path) -> None:
    names: dict[str, object] = {}
    for block in BLOCKS:
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.text, "models.md", "exec"), names)
