"""docs/running.md: its Python runs from top to bottom, on the quickstart's own weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import blocks, run_block

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks("running.md"):
        if block.language == "python":
            run_block(block, "running.md", names)
