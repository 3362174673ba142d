"""The page of the quick start: its tables are those that the script writes from the records."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def report() -> ModuleType:
    spec = importlib.util.spec_from_file_location("report", ROOT / "benchmarks" / "quickstart" / "report.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_shows_what_the_records_hold(report: ModuleType) -> None:
    record = json.loads((ROOT / "graphs" / "quickstart.json").read_text(encoding="utf-8"))
    baselines = json.loads(
        (ROOT / "benchmarks" / "quickstart" / "baselines.json").read_text(encoding="utf-8")
    )
    page = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    assert report.scores_table(record, baselines) in page
    assert report.making_table(record) in page
    for task, score, _ in report.SCORES:
        assert f"**{record['scores']['test'][task][score]:.3f}**" in page


def test_the_baselines_are_those_that_the_trial_found() -> None:
    found = json.loads((ROOT / "benchmarks" / "quickstart" / "baselines.json").read_text(encoding="utf-8"))
    assert found["test questions"] == 9673
    assert found["accuracy"]["question only"] == pytest.approx(0.670, abs=0.001)
    assert found["accuracy"]["words and colours"] == pytest.approx(0.823, abs=0.005)


def test_a_page_without_a_place_for_a_table_is_refused(report: ModuleType) -> None:
    assert report.filled("a\n<!-- x -->\nold\n<!-- end -->\nb", {"x": "new"}) == (
        "a\n<!-- x -->\n\nnew\n\n<!-- end -->\nb"
    )
    with pytest.raises(SystemExit, match="no place for the table `y`"):
        report.filled("a\n<!-- x -->\nold\n<!-- end -->\nb", {"y": "new"})
