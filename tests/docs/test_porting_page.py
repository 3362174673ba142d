"""docs/porting.md: the recording, the case and both comparisons, with the plugin of docs/plugins.md."""

from __future__ import annotations

import functools
import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from pages import DOCS, Block, blocks, files_of, run_block, write_files

import composer.compare.comparing
import composer.execution.model
import composer.graph.checking
from composer.compare import compare_case
from composer.plugin import load_registry

BLOCKS = blocks("porting.md")
SNIPPETS = [block for block in BLOCKS if block.language == "python" and not block.comment]


@pytest.fixture
def ported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The files of both pages in the current folder, the plugin among the installed ones, the original recorded."""
    write_files(tmp_path, files_of(blocks("plugins.md")) | files_of(BLOCKS))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.startswith("composer_waves")]:
        monkeypatch.delitem(sys.modules, name)
    plugin = importlib.import_module("composer_waves")
    load = functools.partial(load_registry, [("waves", plugin)])
    for module in (composer.graph.checking, composer.execution.model, composer.compare.comparing):
        monkeypatch.setattr(module, "load_registry", load)
    exec((tmp_path / "record.py").read_text(), {"__name__": "record"})
    return plugin


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda block: f"line {block.line}")
def test_a_snippet_runs(snippet: Block, ported: ModuleType) -> None:
    run_block(snippet, "porting.md")


def test_the_table_ends_as_the_page_says(ported: ModuleType) -> None:
    (shown,) = (block.text.strip() for block in BLOCKS if block.comment == "output")
    assert str(compare_case("case.yaml")).splitlines()[-1] == shown


def test_every_key_of_a_case_is_on_the_page() -> None:
    from composer.compare.case import Case, Ones, Run, Target, Tolerance

    page = (DOCS / "porting.md").read_text(encoding="utf-8")
    for shape in (Case, Ones, Run, Target, Tolerance):
        for name in set(shape.model_fields) - {"directory"}:
            assert re.search(rf"\b{name}\b", page)
