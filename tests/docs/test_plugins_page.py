"""docs/plugins.md: its files make a plugin that checks, runs, loads an old checkpoint and keeps its promises."""

from __future__ import annotations

import functools
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from pages import Block, blocks, files_of, run_block, write_files

import composer
import composer.execution.model
import composer.graph.checking
from composer.conformance import check_plugin
from composer.plugin import load_registry

BLOCKS = blocks("plugins.md")
FILES = files_of(BLOCKS)
SNIPPETS = [block for block in BLOCKS if block.language == "python" and not block.comment]


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The plugin of the page, importable and in the current folder of every snippet."""
    folder = tmp_path_factory.mktemp("waves")
    write_files(folder, FILES)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("composer_waves")
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.startswith(("composer_waves", "composer_sampl"))]:
        del sys.modules[name]


@pytest.fixture
def installed(plugin: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """As if the plugin had been installed: whoever loads plugins finds it among the others."""
    load = functools.partial(load_registry, [("waves", plugin)])
    for module in (composer.graph.checking, composer.execution.model):
        monkeypatch.setattr(module, "load_registry", load)
    monkeypatch.chdir(Path(plugin.__file__ or "").parents[1])
    return plugin


def test_the_plugin_loads_and_its_document_is_sound(plugin: ModuleType, installed: ModuleType) -> None:
    registry = load_registry([("waves", plugin)])
    assert registry.broken == []
    assert registry.conflicts == []
    assert {registry.module_types.origin(f"waves.{name}").plugin for name in ("listener", "loudest")} == {
        "waves"
    }
    assert composer.check("hear.yaml").problems == ()


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda block: f"line {block.line}")
def test_a_snippet_runs(snippet: Block, installed: ModuleType) -> None:
    run_block(snippet, "plugins.md")


def test_the_search_of_the_page_keeps_its_promises(plugin: ModuleType) -> None:
    """How it samples is tested where it runs: tests/compile/runtime."""
    search = importlib.import_module("composer_sample")
    report = check_plugin(search)
    assert report.passed, report
    assert [result.check for result in report.results if result.subject == "sample"] == ["search"]


def test_the_refusal_that_the_page_quotes(installed: ModuleType) -> None:
    page_line = re.search(r"`(waves\.listener refuses .*?)`", _page())
    text = FILES["hear.yaml"].replace("window: 4", "window: 5")
    Path("wrong.yaml").write_text(text)
    (problem,) = composer.check("wrong.yaml").problems
    assert page_line is not None
    assert (problem.message, problem.place.line) == (page_line[1], 5)


def test_the_entry_module_imports_no_torch(installed: ModuleType) -> None:
    code = "import composer_waves, sys; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_declaration_of_the_plugin_core_is_named() -> None:
    page = _page()
    for word in (
        "Kind",
        "Modality",
        "ModuleType",
        "Method",
        "Layout",
        "Rule",
        "Generation",
        "SearchPolicy",
        "Config",
        "Signature",
    ):
        assert word in page


def _page() -> str:
    from pages import DOCS

    return (DOCS / "plugins.md").read_text(encoding="utf-8")
