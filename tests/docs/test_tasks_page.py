"""docs/tasks.md is what the document `mplug2-tasks` says."""

from __future__ import annotations

from typing import Any

from pages import DOCS
from scripts import script

import composer


def tasks_page() -> Any:
    return script(DOCS / "make_tasks_page.py")


def test_the_page_is_current_and_has_its_rows() -> None:
    page = tasks_page().page()
    assert (DOCS / "tasks.md").read_text(encoding="utf-8") == page, "run: python docs/make_tasks_page.py"
    rows = [line for line in page.splitlines() if line.startswith("| `") and "composer " in line]
    assert len(rows) >= 50
    assert sum("composer train" in row for row in rows) >= 30
    assert all(row.split(" | ")[6].strip() for row in rows), "every task has a score"


def test_the_formats_of_a_task_have_what_it_reads() -> None:
    module = tasks_page()
    report = composer.check("mplug2-tasks").raise_for_errors()
    formats = report.registry.formats
    assert module.DATA.keys() == report.tasks.keys()
    for name, (trained, scored) in module.DATA.items():
        task = report.tasks[name]
        if not scored:
            assert task.loss is None, name
            assert task.evaluation is not None, name
            continue
        asked = {each for each, item in task.inputs.items() if not item.training} - {"answers"}
        if task.loss is not None:
            assert {*task.inputs} - {"answers"} <= {*formats[trained].gives}, name
        assert asked <= {*formats[scored].gives}, name
        if task.evaluation is not None and task.evaluation.reference is not None:
            assert task.evaluation.reference in formats[scored].gives, name
