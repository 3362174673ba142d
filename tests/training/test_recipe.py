"""Recipes: read whole, and refused with the key that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from composer.problems import InputError
from composer.training.recipe import read_recipe

GOOD = """
epochs: 2
learning_rate: 0.001
tasks:
  answer:
    dataset: some.data
    with: {pictures: 10}
    fields: {target: answer}
    group: {by: image, counts: counts}
    batch: 4
    output: answer
    reference: answer
    metrics: {accuracy: some.metric}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recipe_is_read_with_its_defaults(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, GOOD))
    assert (recipe.epochs, recipe.seed, recipe.learning_rate, recipe.spread) == (2, 0, 0.001, 1.0)
    task = recipe.tasks["answer"]
    assert task.with_ == {"pictures": 10}
    assert task.group is not None
    assert (task.group.by, task.group.counts) == ("image", "counts")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("epochs: 2", "epochs: 0", "epochs"),
        ("epochs: 2", "epochs: two", "epochs"),
        ("batch: 4", "batsh: 4", "tasks.answer.batsh"),
        ("batch: 4", "batch: 4\n    start: 1.0", "tasks.answer.start"),
        ("  answer:\n    dataset: some.data\n", "  answer:\n", "tasks.answer.dataset"),
        ("learning_rate: 0.001", "learning_rate: -1", "learning_rate"),
        ("tasks:", "- tasks", "is not YAML"),
    ],
)
def test_a_fault_is_named_with_its_key(tmp_path: Path, before: str, after: str, said: str) -> None:
    assert before in GOOD
    with pytest.raises(InputError, match=said):
        read_recipe(written(tmp_path, GOOD.replace(before, after)))


def test_files_that_hold_no_recipe_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_recipe(path)
    with pytest.raises(InputError, match="does not fit"):
        read_recipe(written(tmp_path, ""))
    (tmp_path / "binary.yaml").write_bytes(bytes(range(128, 256)))
    with pytest.raises(InputError, match="cannot be read"):
        read_recipe(tmp_path / "binary.yaml")
