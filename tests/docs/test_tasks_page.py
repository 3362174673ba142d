"""docs/tasks.md is what the document `mplug2-tasks` says."""

from __future__ import annotations

import importlib.util

from pages import DOCS


def test_the_page_is_current_and_has_its_rows() -> None:
    path = DOCS / "make_tasks_page.py"
    spec = importlib.util.spec_from_file_location("make_tasks_page", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = module.page()
    assert (DOCS / "tasks.md").read_text(encoding="utf-8") == page, "run: python docs/make_tasks_page.py"
    rows = [line for line in page.splitlines() if line.startswith("| `") and "composer " in line]
    assert len(rows) >= 50
    assert sum("composer train" in row for row in rows) >= 30
