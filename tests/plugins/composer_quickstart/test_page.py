"""The page of the quick start, the record beside the weights and the recipe say the same, of these weights."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from scripts import script

from composer.recipes import Recipe, read_recipe

ROOT = Path(__file__).parents[3]
GRAPHS = ROOT / "graphs"
REACHED = {
    ("image-qa", "accuracy"): 0.95,
    ("video-caption", "direction"): 0.97,
    ("video-caption", "digit"): 0.90,
    ("video-caption", "exact match"): 0.95,
    ("image-caption", "exact match"): 0.95,
}
"""What the quick start promises on the test splits."""


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((GRAPHS / "quickstart.json").read_text(encoding="utf-8"))
    return read


@pytest.fixture(scope="module")
def report() -> ModuleType:
    return script(ROOT / "benchmarks" / "quickstart" / "report.py")


def test_the_tables_of_the_page_are_written_from_the_records() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "quickstart" / "report.py"), "--check"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_record_is_of_these_weights_and_of_the_shipped_recipe(record: dict[str, Any]) -> None:
    weights = GRAPHS / record["weights"]["file"]
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == record["weights"]["sha256"]
    assert weights.stat().st_size <= 6_000_000
    recipe = read_recipe(GRAPHS / "training" / "quickstart.yaml")
    said = Recipe.model_validate(record["recipe"])  # what was not there yet then has its default
    assert recipe.model_dump(exclude={"document"}) == said.model_dump(exclude={"document"})
    assert len(record["curve"]) == recipe.epochs


@pytest.mark.parametrize(("task", "score"), list(REACHED))
def test_the_scores_are_what_the_quick_start_promises(record: dict[str, Any], task: str, score: str) -> None:
    assert record["scores"]["test"][task][score] >= REACHED[task, score]


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
