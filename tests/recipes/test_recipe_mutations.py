"""The shipped recipe, mutated: whatever stands in the file, the answer is problems, each with a cure."""

from __future__ import annotations

import random
from pathlib import Path

import composer_graphs
import pytest

from composer.graph import Checked, check
from composer.plugin import Registry, load_registry
from composer.recipes import check_recipe

SHIPPED = Path(composer_graphs.__file__).parent / "training" / "quickstart.yaml"
VALUES = (
    "0", "-1", "1e999", ".nan", "null", "true", "[]", "{}", "[1, 2]", "{a: b}", "''", "$x", "!!set {}", "*a", "0x10",
    "9" * 30, "\t", "'", "{", "]", ":", "- x", "|", "text with: colon", "<<: {}",
)  # fmt: skip
SIGNS = "abz:{}[],'\"#-*&!|>%@` \t\0\x07é1"


@pytest.fixture(scope="module")
def known() -> tuple[Registry, Checked]:
    registry = load_registry()
    return registry, check("quickstart", registry=registry).raise_for_errors()


def mutated(text: str, chance: random.Random) -> str:
    lines = text.split("\n")
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(lines))
        key, colon, _ = lines[at].partition(":")
        match chance.randrange(6):
            case 0:
                lines.insert(at, lines[chance.randrange(len(lines))])
            case 1 if colon:
                lines[at] = f"{key}: {chance.choice(VALUES)}"
            case 2:
                lines[at] = " " * chance.randint(0, 6) + lines[at].lstrip()
            case 3 if lines[at]:
                place = chance.randrange(len(lines[at]))
                lines[at] = (
                    lines[at][:place] + chance.choice(SIGNS) + lines[at][place + chance.randint(0, 1) :]
                )
            case 4 if colon:
                lines[at] = lines[at].replace(key, key[:-1], 1)
            case _ if len(lines) > 1:
                del lines[at]
    return "\n".join(lines)


@pytest.mark.parametrize("seed", range(8))
def test_a_mutated_recipe_is_answered_with_cures(
    seed: int, known: tuple[Registry, Checked], tmp_path: Path
) -> None:
    registry, document = known
    chance, path = random.Random(seed), tmp_path / "recipe.yaml"
    faulty = 0
    for _ in range(25):
        text = mutated(SHIPPED.read_text(encoding="utf-8"), chance)
        path.write_text(text, encoding="utf-8")
        found = check_recipe(path, registry=registry, document=document).problems
        faulty += bool(found)
        for problem in found:
            assert problem.helps, (problem, text)
            assert problem.place.line <= text.count("\n") + 1
    assert faulty
