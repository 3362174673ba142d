"""docs/quickstart.md and the record beside the weights say what is so: of these weights, by this recipe."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from composer.training.recipe import read_recipe

ROOT = Path(__file__).parents[2]
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


def test_the_tables_of_the_page_are_written_from_the_records() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "quickstart" / "report.py"), "--check"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_record_is_of_these_weights_and_of_the_shipped_recipe(record: dict[str, Any]) -> None:
    weights = GRAPHS / record["weights"]["file"]
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == record["weights"]["sha256"]
    assert weights.stat().st_size <= 6_000_000
    recipe = read_recipe(GRAPHS / "training" / "quickstart.yaml")
    assert recipe.model_dump(by_alias=True) == record["recipe"]
    assert len(record["curve"]) == recipe.epochs


@pytest.mark.parametrize(("task", "score"), list(REACHED))
def test_the_scores_are_what_the_quick_start_promises(record: dict[str, Any], task: str, score: str) -> None:
    assert record["scores"]["test"][task][score] >= REACHED[task, score]
