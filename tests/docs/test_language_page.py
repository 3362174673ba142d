"""docs/language.md: every block is checked, and has exactly the errors that the page says."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import family
import pytest
import yaml
from pages import DOCS, Block, blocks, expected, files_of, whole_document

from composer.graph import Report, check
from composer.plugin import Registry, load_registry
from composer.problems.fix import apply_fixes

BLOCKS = [block for block in blocks("language.md") if block.language == "yaml"]
CHECKED = [block for block in BLOCKS if block.comment not in ("modules", "fixed")]


@lru_cache
def registry() -> Registry:
    return load_registry([("family", family)])


def settings(block: Block) -> dict[str, Any]:
    match = re.search(r"set: (\{.*?\})", block.comment)
    return yaml.safe_load(match[1]) if match else {}


def checked(block: Block, folder: Path) -> Report:
    """Documents that other blocks extend lie beside the block, under the name that they are given."""
    for other in BLOCKS:
        file = next(iter(files_of([other])), None)
        name = yaml.safe_load(other.text).get("name") if other.text.startswith("composer") else None
        if file or ("family" in other.comment and name):
            (folder / (file or f"{name}.yaml")).write_text(other.text)
    path = folder / "block.yaml"
    path.write_text(whole_document(block))
    return check(path, registry=registry(), settings=settings(block))


@pytest.mark.parametrize("block", CHECKED, ids=lambda block: f"line {block.line}")
def test_a_block_has_the_errors_that_the_page_says(block: Block, tmp_path: Path) -> None:
    assert [problem.code for problem in checked(block, tmp_path).errors] == expected(block)


def test_the_fixed_document_is_what_fixing_gives(tmp_path: Path) -> None:
    (after,) = (number for number, block in enumerate(BLOCKS) if block.comment == "fixed")
    report = checked(BLOCKS[after - 1], tmp_path)
    (text,) = apply_fixes(report.problems, report.sources).texts.values()
    assert text == BLOCKS[after].text
    assert checked(BLOCKS[after], tmp_path).problems == ()


def test_the_explained_mismatch_is_what_the_checker_says(tmp_path: Path) -> None:
    all_blocks = blocks("language.md")
    (shown,) = (number for number, block in enumerate(all_blocks) if block.comment == "output")
    (problem,) = checked(all_blocks[shown - 1], tmp_path).problems
    assert all_blocks[shown].text.strip() == f"error[{problem.code}]: {problem.message}"
    assert [note.place.line for note in problem.notes] == [5, 6, 3]
    assert problem.helps[:2] == ("set text.hidden to 64", "set fusion.hidden to 48 (it reads $hidden)")


def test_the_limits_are_those_of_the_code() -> None:
    from composer.language import source, tree, yaml_nodes

    page = (DOCS / "language.md").read_text(encoding="utf-8")
    assert f"| {source.MAX_BYTES // 2**20} MiB |" in page
    assert f"| depth of nesting | {yaml_nodes.MAX_DEPTH} |" in page
    assert f"| values that aliases repeat | {tree._MAX_REPEATED:,} |" in page
    assert f"| digits of a number | {tree._MAX_DIGITS:,} |" in page


def test_every_key_of_the_language_is_on_the_page() -> None:
    from composer import language

    page = (DOCS / "language.md").read_text(encoding="utf-8")
    for shape in ("Document", "Module", "Input", "Node", "Objective", "Compile", "Task"):
        for name, field in getattr(language, f"{shape}Shape").model_fields.items():
            assert re.search(rf"\b{field.alias or name}\b", page)
