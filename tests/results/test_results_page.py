"""docs/results.md says what the experiments gave, and their documents are sound."""

from __future__ import annotations

import importlib.util
import json
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest

import composer

FOLDER = Path(__file__).parents[2] / "examples" / "results"


@pytest.fixture(scope="module")
def make() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        spec = importlib.util.spec_from_file_location("results_make", FOLDER / "make.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module


def test_the_page_says_what_the_experiments_gave(make: ModuleType) -> None:
    found = {each.name: json.loads((FOLDER / f"{each.name}.json").read_text()) for each in make.EXPERIMENTS}
    assert make.PAGE.read_text(encoding="utf-8") == make.page(found), "run `python examples/results/make.py`"


def test_every_experiment_is_above_its_baseline(make: ModuleType) -> None:
    """By more than its interval is wide."""
    for each in make.EXPERIMENTS:
        found = json.loads((FOLDER / f"{each.name}.json").read_text())
        assert found["scores"][each.metric]["interval"][0] > found["baseline"]


def test_the_documents_have_no_problem(make: ModuleType) -> None:
    for each in make.EXPERIMENTS:
        document = shlex.split(each.train)[2]
        problems = composer.check(FOLDER / document).problems
        assert [str(problem) for problem in problems] == []
