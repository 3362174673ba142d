"""What a problem does to its surroundings is declared once, and the documents of the codes' pages behave so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from composer.graph import check
from composer.graph.telling import settled
from composer.language import Source
from composer.problems import Effect, Place, Problem
from composer.problems.codes import CODES, Code
from composer.problems.effects import EFFECTS, effects_of

OF_DOCUMENTS = [
    code for code in CODES.values() if code.of == "document" and not code.plugins and code.code != "C001"
]
"""C001 is a file without a document in it, to which nothing can be added."""
SPARE = "zz-unused"


def with_spare_module(text: str) -> str:
    spare = f"modules:\n  {SPARE}: {{uses: core.pool}}\n"
    there = re.search(r"^modules:\n", text, re.MULTILINE)
    return text.replace("modules:\n", spare, 1) if there else text + spare


def test_every_code_with_an_effect_is_explained() -> None:
    assert EFFECTS.keys() <= CODES.keys()


def test_a_code_that_is_not_in_the_table_has_no_effect() -> None:
    assert effects_of("C222") is Effect.NONE
    assert not problem("C222", 0, 1).has(Effect.UNSETTLES)


@pytest.mark.parametrize("code", OF_DOCUMENTS, ids=[code.code for code in OF_DOCUMENTS])
def test_nothing_is_called_unused_beside_what_unsettles(code: Code, tmp_path: Path) -> None:
    for name, text in code.files.items():
        (tmp_path / name).write_text(text)
    bad = code.good.replace("composer: 1\n", "composer: 1\nname: 3\n") if code.code == "C102" else code.bad
    text = with_spare_module(bad)  # the page of C102 has a list where the modules stand
    report = check(Source("document.yaml", text, tmp_path / "document.yaml"))
    assert code.code in {found.code for found in report.problems}
    is_told = any(found.code == "C217" and SPARE in found.message for found in report.problems)
    is_read = report.document is not None
    assert is_told == (is_read and Effect.UNSETTLES not in effects_of(code.code))


def problem(code: str, start: int, end: int) -> Problem:
    return Problem(code, "error", f"{code} at {start}", Place("a.yaml", 1, 1, start=start, end=end))


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(("start", "end"), [(12, 14), (5, 30)], ids=["inside", "around"])
def test_what_is_said_in_or_around_a_spoilt_place_is_a_consequence(code: str, start: int, end: int) -> None:
    first, other, elsewhere = problem(code, 10, 20), problem("C206", start, end), problem("C206", 40, 50)
    spoils = Effect.SPOILS_ITS_PLACE in effects_of(code)
    assert settled([first, other, elsewhere]) == ([first, elsewhere] if spoils else [first, other, elsewhere])
