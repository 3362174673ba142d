"""Fixes: each is made whole or not at all, nothing else changes, and files are replaced in one step."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.problems import Edit, Place, Problem
from composer.problems.fix import apply_fixes


def problem(*edits: Edit, code: str = "C101") -> Problem:
    return Problem(code, "error", "m", Place("a.yaml", 1, 1), fix=edits)


def edit(start: int, end: int, text: str, file: str = "a.yaml") -> Edit:
    return Edit(file, start, end, text)


def test_edits_of_several_problems_and_files() -> None:
    sources = {"a.yaml": "modul: {x: 1}  # kept\n", "b.yaml": "b: 2\n", "c.yaml": "c\n"}
    fixed = apply_fixes(
        [problem(edit(0, 5, "modules")), problem(edit(3, 4, "3", "b.yaml"), edit(8, 9, "y"))], sources
    )
    assert fixed.texts == {"a.yaml": "modules: {y: 1}  # kept\n", "b.yaml": "b: 3\n"}
    assert len(fixed.applied) == 2


def test_the_first_of_two_overlapping_fixes_wins_and_the_other_stays_whole() -> None:
    first, second = problem(edit(1, 4, "X")), problem(edit(3, 5, "Y"), edit(8, 9, "Z"))
    fixed = apply_fixes([first, second], {"a.yaml": "0123456789"})
    assert fixed.texts == {"a.yaml": "0X456789"}
    assert (fixed.applied, fixed.postponed) == ((first,), (second,))


def test_an_insertion_may_touch_a_replacement_but_not_stand_inside() -> None:
    replace = problem(edit(2, 4, "R"))
    touching = apply_fixes(
        [replace, problem(edit(2, 2, "<")), problem(edit(4, 4, ">"))], {"a.yaml": "abcdef"}
    )
    assert touching.texts == {"a.yaml": "ab<R>ef"}
    assert apply_fixes([replace, problem(edit(3, 3, "!"))], {"a.yaml": "abcdef"}).texts == {"a.yaml": "abRef"}


def test_two_different_insertions_at_one_point_are_not_guessed_at() -> None:
    fixed = apply_fixes([problem(edit(1, 1, "x")), problem(edit(1, 1, "y"))], {"a.yaml": "ab"})
    assert fixed.texts == {"a.yaml": "axb"}
    assert len(fixed.postponed) == 1


def test_the_same_edit_is_made_once_for_two_problems() -> None:
    fixed = apply_fixes([problem(edit(1, 1, "x")), problem(edit(1, 1, "x"), code="C207")], {"a.yaml": "ab"})
    assert fixed.texts == {"a.yaml": "axb"}
    assert len(fixed.applied) == 2


def test_inserted_lines_break_as_the_file_does() -> None:
    fixed = apply_fixes([problem(edit(6, 6, "b: 1\nc: 2\n"))], {"a.yaml": "a: 1\r\nd: 3\r\n"})
    assert fixed.texts == {"a.yaml": "a: 1\r\nb: 1\r\nc: 2\r\nd: 3\r\n"}


def test_a_fix_that_changes_nothing_changes_no_file() -> None:
    assert apply_fixes([problem(edit(0, 1, "a")), problem()], {"a.yaml": "ab"}).texts == {}


def test_a_fix_that_spoils_a_text_is_refused_and_the_others_are_made() -> None:
    good, bad, good_too = problem(edit(0, 1, "A")), problem(edit(1, 2, "?")), problem(edit(2, 3, "C"))
    fixed = apply_fixes([good, bad, good_too], {"a.yaml": "abc"}, spoils=lambda file, text: "?" in text)
    assert fixed.texts == {"a.yaml": "AbC"}
    assert (fixed.applied, fixed.refused) == ((good, good_too), (bad,))


def test_of_two_fixes_that_spoil_a_text_together_the_first_is_made() -> None:
    first, second = problem(edit(0, 1, "?")), problem(edit(1, 2, "!"))
    fixed = apply_fixes([first, second], {"a.yaml": "ab"}, spoils=lambda file, text: text == "?!")
    assert fixed.texts == {"a.yaml": "?b"}
    assert (fixed.applied, fixed.refused) == ((first,), (second,))


@pytest.mark.parametrize(
    "bad", [edit(3, 2, ""), edit(-1, 1, ""), edit(0, 99, ""), edit(0, 0, "", "other.yaml")]
)
def test_an_edit_outside_of_the_text_is_refused(bad: Edit) -> None:
    with pytest.raises(ValueError, match="an edit"):
        apply_fixes([problem(bad)], {"a.yaml": "abc"})


@st.composite
def disjoint_edits(draw: st.DrawFn) -> tuple[str, list[tuple[int, int, str]]]:
    text = draw(st.text(max_size=60))
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=10)))
    pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
    return text, [(start, end, draw(st.text("xyz äß", max_size=4))) for start, end in pairs]


@given(disjoint_edits(), st.randoms(use_true_random=False))
def test_disjoint_edits_change_their_ranges_and_nothing_else(
    case: tuple[str, list[tuple[int, int, str]]], random: Random
) -> None:
    text, edits = case
    expected = text
    for start, end, new in reversed(edits):  # from the back, so that earlier offsets stay true
        expected = expected[:start] + new + expected[end:]
    problems = [problem(edit(*values)) for values in edits]
    random.shuffle(problems)
    fixed = apply_fixes(problems, {"a.yaml": text})
    assert fixed.texts.get("a.yaml", text) == expected
    assert len(fixed.applied) == len(problems)


@given(
    st.text("ab\n", min_size=1, max_size=30),
    st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=3), max_size=8),
)
def test_each_problem_is_applied_whole_or_postponed(text: str, raw: list[list[tuple[int, int]]]) -> None:
    """Every edit inserts a letter of its own problem, which is then found for all of its edits or for none."""
    problems = []
    for number, ranges in enumerate(raw):
        letter = chr(ord("A") + number)
        bounded = [sorted((a % (len(text) + 1), b % (len(text) + 1))) for a, b in ranges]
        problems.append(
            problem(*(edit(start, end, letter * (k + 1)) for k, (start, end) in enumerate(bounded)))
        )
    fixed = apply_fixes(problems, {"a.yaml": text})
    result = fixed.texts.get("a.yaml", text)
    assert len(fixed.applied) + len(fixed.postponed) == len(problems)
    for number, candidate in enumerate(problems):
        wanted = sum(len(text) for text in {e: e.text for e in candidate.fix}.values())
        assert result.count(chr(ord("A") + number)) == (wanted if candidate in fixed.applied else 0)
