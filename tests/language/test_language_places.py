"""Places are where an editor shows them, whatever the encoding and the line breaks of the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from documents import checked, toy_registry

from composer.graph import check
from composer.problems.fix import apply_fixes

TEXT = """\
composer: 1
summary: "{summary}"
modules:
  words: {{uses: "toy.txt", summary: "{summary}"}}
tasks:
  read:
    inputs: {{x: {{modality: array, with: {{kind: tokens, dims: [B, L]}}}}}}
    nodes: {{n: {{call: words, inputs: x}}}}
    outputs: {{o: n}}
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("summary", ["plain", "größer 猫 🐈 e\u0301"])
def test_places_and_fixes_survive_encodings(newline: str, mark: str, summary: str, tmp_path: Path) -> None:
    text = TEXT.format(summary=summary).replace("\n", newline)
    path = tmp_path / "document.yaml"
    path.write_bytes((mark + text).encode())
    report = check(path, registry=toy_registry())
    (problem,) = report.problems
    assert (problem.code, problem.place.line, problem.place.column) == ("C201", 4, 17)
    (after,) = apply_fixes(report.problems, report.sources).texts.values()
    assert after == text.replace('"toy.txt"', "toy.text")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_syntax_error_is_on_its_line(newline: str) -> None:
    (problem,) = checked(f"composer: 1{newline}name: a{newline}tasks: {{a: [}}{newline}").problems
    assert (problem.code, problem.place.line) == ("C002", 3)


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\u2029"])
def test_a_character_that_would_shift_every_later_line_is_refused_at_its_place(character: str) -> None:
    (problem,) = checked(f"composer: 1\n# one{character}two\nfoo: 1\n").problems
    assert (problem.code, problem.place.line, problem.place.column) == ("C002", 2, 6)
    assert f"U+{ord(character):04X}" in problem.message


def test_a_tab_is_named_as_the_cause() -> None:
    (problem,) = checked("composer: 1\ntasks:\n\ta: 1\n").problems
    assert (problem.code, problem.place.line) == ("C002", 3)
    assert any("tab" in text for text in problem.helps)


def test_a_colon_inside_a_plain_value_is_explained() -> None:
    (problem,) = checked("composer: 1\nsummary: what: this\n").problems
    assert problem.code == "C002"
    assert any("quote" in text for text in problem.helps)


def test_an_unknown_alias_is_explained() -> None:
    (problem,) = checked("composer: 1\nparameters: {a: *b}\n").problems
    assert (problem.code, problem.place.line, problem.place.column) == ("C002", 2, 17)


def test_an_anchor_that_is_given_twice_is_told_with_the_first() -> None:
    (problem,) = checked("composer: 1\nparameters: {a: &x 1,\n  b: &x 2}\n").problems
    assert (problem.code, problem.place.line, problem.place.column) == ("C002", 3, 6)
    assert [(note.place.line, note.place.column) for note in problem.notes] == [(2, 17)]
    assert "a name that one before it has" in problem.message


def test_an_escape_of_json_that_is_none_of_yaml_is_explained() -> None:
    (problem,) = checked('{"composer": 1, "summary": "\\ud83d\\ude00"}').problems
    assert problem.code == "C002"
    assert "\\U0001F600" in problem.helps[0]


@pytest.mark.parametrize(
    ("line", "column", "code"),
    [
        ("nme: x", 1, "C101"),
        ("summary: [a]", 10, "C102"),
        ("parameters: [a]", 13, "C102"),
        ("modules: {a b: {uses: toy.text}}", 11, "C109"),
        ("modules: {a: {use: toy.text}}", 15, "C101"),
        ("modules: {a: {uses: 3}}", 21, "C102"),
        ("modules: {a: {uses: toy.text, uses: toy.open}}", 31, "C003"),
        ("extends: none.yaml", 10, "C106"),
    ],
)
def test_the_place_is_the_key_or_value_at_fault(line: str, column: int, code: str) -> None:
    (problem,) = checked(f"composer: 1\n{line}\n").errors[:1]
    assert (problem.code, problem.place.line, problem.place.column) == (code, 2, column)


def test_the_version_comes_first() -> None:
    assert [p.code for p in checked("tasks: {}\n").errors] == ["C005"]
    for value in ("2", "0", "one", "true", "1.5", "[1]"):
        problem = checked(f"composer: {value}\n").errors[0]
        assert (problem.code, problem.place.column) == ("C005", 11)
