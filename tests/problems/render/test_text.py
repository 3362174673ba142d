"""Text output is compared line by line with what a reader should see."""

from __future__ import annotations

import pytest

from composer.problems import Note, Place, Problem
from composer.problems.render import render, summary

DOCUMENT = """\
composer: 1
name: vqa
modules:
  vision: {uses: mplug2.vision_encoder, with: {width: 768}}
  text: {uses: mplug2.text_encoder}
tasks:
  qa:
    nodes:
      visual: {call: universal.vision, inputs: {states: frames.states}}
"""


def at(line: int, column: int, size: int, file: str = "vqa.yaml") -> Place:
    return Place(file, line, column, line, column + size)


def shown(problem: Problem, text: str = DOCUMENT, **others: str) -> list[str]:
    """The lines of the block of one problem, without the summary."""
    sources = {"vqa.yaml": text} | {f"{name}.yaml": other for name, other in others.items()}
    return render([problem], sources).split("\n")[:-3]


def problem(place: Place, label: str = "here", *notes: Note, helps: tuple[str, ...] = ()) -> Problem:
    return Problem("C203", "error", "dimension mismatch", place, label, notes, helps)


def test_reasons_stand_in_source_order_and_a_gap_is_a_dot() -> None:
    found = problem(
        at(9, 57, 13),
        "768 does not fit 1024",
        Note(at(4, 48, 10), "768 because of this"),
        helps=("set vision.width to 1024",),
    )
    assert shown(found) == [
        "error[C203]: dimension mismatch",
        "  ┌─ vqa.yaml:9:57",
        "4 │   vision: {uses: mplug2.vision_encoder, with: {width: 768}}",
        "  │                                                ---------- 768 because of this",
        "·",
        "9 │       visual: {call: universal.vision, inputs: {states: frames.states}}",
        "  │                                                         ^^^^^^^^^^^^^ 768 does not fit 1024",
        "  = help: set vision.width to 1024",
    ]


def test_the_one_line_between_two_marked_lines_is_shown() -> None:
    found = problem(at(5, 3, 4), "here", Note(at(3, 1, 7), "there"))
    assert [row[0] for row in shown(found)[2:]] == ["3", " ", "4", "5", " "]


def test_several_marks_share_a_row_and_their_labels_hang() -> None:
    found = problem(at(9, 57, 13), "here", Note(at(9, 16, 4), "called"), Note(at(9, 22, 9), "module"))
    assert shown(found)[3:] == [
        "  │                ----  ---------                          ^^^^^^^^^^^^^ here",
        "  │                │     module",
        "  │                called",
    ]


def test_overlapping_marks_take_rows_of_their_own() -> None:
    found = problem(at(9, 7, 6), "node", Note(at(9, 9, 2), "part"))
    assert shown(found)[3:] == ["  │       ^^^^^^ node", "  │         -- part"]


def test_a_note_in_another_file_gets_a_block() -> None:
    found = problem(at(1, 1, 8), "here", Note(at(2, 1, 4, "base.yaml"), "first said here"))
    assert shown(found, base="composer: 1\nname: base\n")[4:] == [
        "  ┌─ base.yaml:2:1",
        "2 │ name: base",
        "  │ ---- first said here",
    ]


def test_the_gutter_fits_the_longest_line_number() -> None:
    text = "a: 1\n" * 120
    found = problem(at(105, 1, 1), "here", Note(at(7, 1, 1), "there"))
    assert shown(found, text)[1:] == [
        "    ┌─ vqa.yaml:105:1",
        "  7 │ a: 1",
        "    │ - there",
        "  ·",
        "105 │ a: 1",
        "    │ ^ here",
    ]


@pytest.mark.parametrize(
    ("line", "column", "size", "source_row", "mark_row"),
    [
        ("\tkey: 1", 2, 3, "    key: 1", "    ^^^ here"),
        ("名前: {答え: 1}", 6, 2, "名前: {答え: 1}", "       ^^^^ here"),
        ("e\u0301te: x", 7, 1, "e\u0301te: x", "     ^ here"),
        ("key: \x1b[31mred", 6, 8, "key: ␛[31mred", "     ^^^^^^^^ here"),
        ("key: \u202eevil", 6, 5, "key: \ufffdevil", "     ^^^^^ here"),
        ("key:", 5, 1, "key:", "    ^ here"),
        ("key:", 40, 2, "key:", "    ^ here"),
        ("key", 1, 0, "key", "^ here"),
    ],
    ids=["tab", "wide", "combining", "escape", "bidi", "end of line", "beyond", "empty span"],
)
def test_marks_stand_under_their_characters(
    line: str, column: int, size: int, source_row: str, mark_row: str
) -> None:
    assert shown(problem(at(1, column, size)), f"{line}\n")[2:] == [f"1 │ {source_row}", f"  │ {mark_row}"]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_newline_style_shows_the_same(newline: str) -> None:
    found = problem(at(4, 3, 6))
    assert shown(found, DOCUMENT.replace("\n", newline)) == shown(found)


def test_a_separator_inside_a_line_does_not_end_it() -> None:
    assert shown(problem(at(2, 1, 1)), "a: x\u2028y\nb: 1\n")[2] == "2 │ b: 1"


def test_a_place_over_several_lines_is_marked_to_the_end_of_its_first() -> None:
    found = problem(Place("vqa.yaml", 7, 3, 9, 20))
    assert shown(found)[2:] == ["7 │   qa:", "  │   ^^^ here"]


def test_a_long_line_is_clipped_around_its_marks() -> None:
    line = "key: [" + ", ".join(f"item{number:04}" for number in range(4000)) + "]"
    start = line.index("item2000")
    found = problem(at(1, start + 1, 8), "here", Note(at(1, 1, 3), "of this list"))
    rows = shown(found, line)
    assert max(map(len, rows[2:])) <= 110 + len("1 │  here")
    assert rows[2].count("…") == 2
    column = rows[2].index("item2000")
    assert rows[3][column:] == "^^^^^^^^ here"
    assert rows[3].index("---") == rows[2].index("key")


def test_a_span_longer_than_the_width_is_clipped_too() -> None:
    rows = shown(problem(at(1, 6, 5000)), "key: " + "x" * 5000)
    assert len(rows[2]) < 130
    assert "^ here" in rows[3]


def test_a_file_that_cannot_be_read_is_named_without_lines() -> None:
    found = Problem("C001", "error", "cannot be read", Place("gone.yaml", 0, 0), "no such file")
    assert render([found], {}).split("\n")[:3] == [
        "error[C001]: cannot be read",
        "  ┌─ gone.yaml",
        "  = note: no such file",
    ]


def test_help_of_several_lines_keeps_its_indent() -> None:
    found = problem(at(1, 1, 8), helps=("add this node:\n  adapter:\n    uses: core.linear",))
    assert shown(found)[4:] == [
        "  = help: add this node:",
        "            adapter:",
        "              uses: core.linear",
    ]


def test_a_message_cannot_steer_the_terminal() -> None:
    found = Problem("C101", "error", "unknown key '\x1b[2J\n'", at(1, 1, 8))
    assert shown(found)[0] == "error[C101]: unknown key '␛[2J '"


def test_colour_paints_without_changing_the_text() -> None:
    import re

    found = [problem(at(9, 57, 13), "here", Note(at(4, 48, 10), "there"), helps=("do",))]
    sources = {"vqa.yaml": DOCUMENT}
    painted = render(found, sources, color=True)
    assert "\x1b[1;31merror[C203]\x1b[0m" in painted
    assert re.sub(r"\x1b\[[\d;]*m", "", painted) == render(found, sources)


def test_summary_counts_each_severity_and_file_once() -> None:
    error, warning = problem(at(1, 1, 1)), Problem("C104", "warning", "unused", at(1, 1, 1))
    other = problem(at(1, 1, 1, "b.yaml"))
    assert summary([]) == "no problems"
    assert summary([error]) == "1 error in 1 file"
    assert summary([error, warning, other]) == "2 errors, 1 warning in 2 files"
    assert summary([warning, warning]) == "2 warnings in 1 file"


def test_blocks_are_parted_by_a_blank_line_and_the_summary_ends_the_text() -> None:
    text = render([problem(at(1, 1, 1)), problem(at(2, 1, 1))], {"vqa.yaml": DOCUMENT})
    assert text.count("\n\n") == 2
    assert text.endswith("\n\n2 errors in 1 file\n")
    assert render([], {}) == ""
