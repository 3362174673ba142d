"""Patterns find what Python's engine finds, in a time that grows with the text alone."""

from __future__ import annotations

import random
import re
import warnings

import pytest
from composer_core.patterns import Pattern

ATOMS = ["a", "b", "[ab]", "[^a]", ".", r"\w", r"\s", "^", "$", r"\b", "c", " ", r"\B", r"\.", r"[\]a-]"]
REPEATS = ["", "", "", "*", "+", "?", "{2}", "{1,2}", "{,2}", "*?", "+?", "??", "{1,}"]


class Drawn:
    """Patterns whose repeats repeat no group, so that both engines agree on every group."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.groups = 0

    def alternatives(self, depth: int) -> str:
        return "|".join(self.sequence(depth) for _ in range(self.chance.choice([1, 1, 2, 3])))

    def sequence(self, depth: int) -> str:
        return "".join(self.part(depth) for _ in range(self.chance.randint(0, 3)))

    def part(self, depth: int) -> str:
        if depth and self.chance.random() < 0.4:
            self.groups += 1
            name = f"g{self.groups}"
            inside = self.alternatives(depth - 1)
            return f"(?P<{name}>{inside})" if self.chance.random() < 0.7 else f"(?:{inside})?"
        atom = self.chance.choice(ATOMS)
        return atom if atom in ("^", "$", r"\b", r"\B") else atom + self.chance.choice(REPEATS)


@pytest.mark.parametrize("seed", range(5))
def test_both_engines_find_the_same(seed: int) -> None:
    drawn, compared = Drawn(seed), 0
    for _ in range(150):
        drawn.groups = 0
        pattern = drawn.alternatives(2)
        theirs, ours = re.compile(pattern), Pattern(pattern)
        for _ in range(4):
            text = "".join(drawn.chance.choice("ab c.\n]") for _ in range(drawn.chance.randint(0, 7)))
            found = theirs.search(text)
            assert ours.find(text) == (None if found is None else found.groupdict()), (pattern, text)
            compared += found is not None
    assert compared > 100


@pytest.mark.parametrize(
    "pattern", [r"(?P<a>(?:a|a)*)b", r"(?P<a>(?:a*)*)b", r"(?P<a>a*a*a*a*a*)b", "(?P<a>(?:a+)+)$b"]
)
def test_no_pattern_takes_exponential_time(pattern: str) -> None:
    assert Pattern(pattern).find("a" * 2000) is None  # Python's engine does not come back from this


def test_letters_may_be_small_or_capital() -> None:
    assert Pattern("(?P<a>straße|[k-m]+)", ignore_case=True).find("xLMK") == {"a": "LMK"}
    assert Pattern("(?P<a>[k-m]+)").find("LMK") is None


@pytest.mark.parametrize(
    "pattern",
    ["(?=a)", "(?!a)", "(?<=a)", r"(?P<a>a)(?P=a)", r"(a)\1", "(?i)a", "(a", "a{999}", "(?:a{99}){99}", "[a"],
)
def test_what_has_no_bound_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"not taken|not a regular expression|too large"):
        Pattern(pattern)


def test_python_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Pattern("(?P<a>[[a]+)").find("[a") == {"a": "[a"}
