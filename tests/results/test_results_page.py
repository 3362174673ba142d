"""docs/results.md says what the experiments gave, and their documents are sound."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import composer

FOLDER = Path(__file__).parents[2] / "examples" / "results"


def results(make: ModuleType) -> dict[str, Any]:
    """What is kept, by name; an experiment that was not done yet has nothing."""
    files = {each.name: FOLDER / f"{each.name}.json" for each in (*make.EXPERIMENTS, *make.FAMILIES)}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.is_file()}


def test_the_page_says_what_the_experiments_gave(make: ModuleType) -> None:
    assert make.PAGE.read_text(encoding="utf-8") == make.page(results(make)), (
        "run `python examples/results/make.py`"
    )


def test_every_experiment_is_above_its_baselines(make: ModuleType) -> None:
    """By more than its interval is wide; of several metrics and baselines, the first metric above chance."""
    found = results(make)
    for each in (each for each in make.EXPERIMENTS if each.name in found):
        (metric, *more), it = each.metrics, found[each.name]
        *_, least = it["baselines"].values()
        assert it["scores"][metric]["interval"][0] > least[0], each.name
        assert {*it["scores"]} >= {metric, *more}


@pytest.mark.parametrize("name", ["joint", "sharing", "objectives"])
def test_the_page_tells_a_family_when_every_arm_has_every_seed(name: str, make: ModuleType) -> None:
    (family,) = (each for each in make.FAMILIES if each.name == name)
    run = {"scores": dict.fromkeys(family.scores, 0.5), "parameters": 1000, "cpu": 30.0}
    other = {**run, "scores": dict.fromkeys(family.scores, 0.75)}
    kept = {arm.label: [{**run, "seed": 0}, {**other, "seed": 1}, {**run, "seed": 2}] for arm in family.arms}
    assert "0.583 ± 0.144 (0.500 to 0.750)" in make.page({family.name: kept})
    kept[family.arms[-1].label].pop()
    assert family.title not in make.page({family.name: kept})


def test_the_documents_have_no_problem(make: ModuleType) -> None:
    commands = [each.train for each in make.EXPERIMENTS]
    commands += [
        f"composer train {part}"
        for each in make.FAMILIES
        for arm in each.arms
        for part in (*arm.parts, arm.begin)
        if part
    ]
    for document in {shlex.split(command)[2].partition(":")[0] for command in commands}:
        problems = composer.check(FOLDER / document).problems
        assert [str(problem) for problem in problems] == [], document
