"""docs/search.md: its documents are checked, its Python runs, and its tables are those of the code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pages import DOCS, Block, blocks, expected, files_of, run_block, whole_document, write_files

from composer.graph import check
from composer.plugin import load_registry

PAGE = "search.md"
ROOT = Path(__file__).parents[2]
DOCUMENTS = [block for block in blocks(PAGE) if block.language == "yaml"]


@pytest.mark.parametrize("block", DOCUMENTS, ids=lambda block: f"line {block.line}")
def test_a_block_has_the_errors_that_the_page_says(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "block.yaml"
    path.write_text(whole_document(block))
    assert [problem.code for problem in check(path).errors] == expected(block)


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    write_files(tmp_path, files_of(blocks(PAGE)))
    for block in blocks(PAGE):
        if block.language == "python":
            run_block(block, PAGE, names)


def test_every_policy_and_option_is_on_the_page() -> None:
    page = (DOCS / PAGE).read_text(encoding="utf-8")
    registry = load_registry()
    for policy in registry.policies.values():
        assert f"| `{policy.id}` |" in page
        for option in policy.config.model_fields:
            assert f"`{option}`" in page or f"{option}:" in page
