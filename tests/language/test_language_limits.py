"""Hostile and broken files: one clear problem each, quickly, and never a traceback or a crash."""

from __future__ import annotations

from pathlib import Path

import pytest
from documents import checked, toy_registry

from composer.graph import Report, check
from composer.language import source, yaml_nodes

HEAD = "composer: 1\n"


def only(report: Report) -> tuple[str, int, int]:
    """Code, line and column of the only problem."""
    (problem,) = report.problems
    return problem.code, problem.place.line, problem.place.column


@pytest.mark.parametrize(
    "text",
    [
        "[" * 500_000,
        "{a: " * 100_000,
        "- " * 100_000,
        "? " * 100_000 + "a",
        "[? " * 20_000,
        "- ? " * 20_000,
        "".join(" " * depth + "a:\n" for depth in range(300)),
        "".join(" " * depth + "-\n" for depth in range(300)),
        "# " + "]" * 900 + "\na: " + "[" * 800 + "]" * 800,
        '"]": ' + '["]", ' * 800 + "]" * 800,
        "'}}}}': " + "{a: " * 800 + "}" * 800,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_deep_nesting_is_refused_whatever_hides_it(text: str) -> None:
    code, _, _ = only(checked(text))
    assert code == "C004"


def test_the_deepest_nesting_that_is_allowed() -> None:
    inner = yaml_nodes.MAX_DEPTH - 2  # the document and `parameters` are the first two
    allowed = checked(HEAD + "parameters: {a: " + "[" * inner + "1" + "]" * inner + "}\n")
    assert "C004" not in [problem.code for problem in allowed.problems]
    refused = checked(HEAD + "parameters: {a: " + "[" * (inner + 1) + "1" + "]" * (inner + 1) + "}\n")
    assert only(refused) == ("C004", 2, 17 + inner)


def test_more_values_than_any_document_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_nodes, "MAX_VALUES", 1000)
    allowed = checked(HEAD + "parameters: {a: [" + "1, " * 900 + "1]}\n")
    assert "C004" not in [problem.code for problem in allowed.problems]
    assert only(checked(HEAD + "parameters: {a: [" + "1, " * 1000 + "1]}\n")) == ("C004", 2, 17)


def test_aliases_that_multiply_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    assert only(checked(HEAD + "parameters:\n" + "".join(f"  {line}\n" for line in lines)))[0] == "C004"


def test_aliases_of_long_lists_are_refused_by_what_they_repeat() -> None:
    text = HEAD + "parameters:\n  a: &a [" + "x, " * 5_000 + "x]\n  b: [" + "*a, " * 500 + "*a]\n"
    assert only(checked(text))[0] == "C004"


def test_a_shared_list_that_is_repeated_a_few_times_is_fine() -> None:
    text = HEAD + "parameters:\n  a: &a [" + "x, " * 100 + "x]\n  b: [" + "*a, " * 50 + "*a]\n"
    assert "C004" not in [problem.code for problem in checked(text).problems]


@pytest.mark.parametrize(
    "text", ["modules: &a {b: *a}", "parameters: {x: &a [1, *a]}", "tasks: &t {q: {nodes: *t}}"]
)
def test_an_alias_that_contains_itself(text: str) -> None:
    assert only(checked(HEAD + text + "\n"))[0] == "C004"


def test_an_alias_that_contains_itself_in_a_parent_and_in_its_child(tmp_path: Path) -> None:
    for name, extends in (("parent.yaml", ""), ("child.yaml", "extends: parent.yaml\n")):
        (tmp_path / name).write_text(HEAD + extends + "modules: &a {b: *a}\n")
    assert only(check(tmp_path / "child.yaml", registry=toy_registry()))[0] == "C004"


@pytest.mark.parametrize("tag", ["!x", "!!python/object/apply:os.system", "!!binary", "!!set", "!!timestamp"])
@pytest.mark.parametrize("value", ["a", "{a: 1}", "[a]"])
def test_a_tag_is_refused_and_nothing_else_said_of_its_value(tag: str, value: str) -> None:
    report = checked(HEAD + f"parameters: {{value: {tag} {value}}}\n")
    assert [problem.code for problem in report.errors] == ["C004"]


def test_a_core_tag_is_allowed_and_must_fit() -> None:
    assert [p.code for p in checked(HEAD + "parameters: {value: !!str 1}\n").errors] == ["C110"]
    report = checked(HEAD + "parameters: {value: !!int one}\n")
    assert [problem.code for problem in report.errors] == ["C002"]


def test_a_number_of_thousands_of_digits_is_refused() -> None:
    assert only(checked(HEAD + "parameters: {value: " + "9" * 5_000 + "}\n")) == ("C004", 2, 21)


def test_a_very_large_number_where_a_size_belongs_is_an_ordinary_problem() -> None:
    text = HEAD + (
        "modules: {m: {uses: toy.text, with: {width: " + "9" * 300 + "}}}\ntasks:\n  t:\n"
        "    inputs: {x: {modality: array, with: {kind: states, dims: [B, N, 8]}}}\n"
        "    nodes: {n: {uses: core.add, inputs: {first: x, second: w}}, w: {call: m, inputs: y}}\n"
        "    outputs: {o: n}\n"
    )
    assert "C207" in [problem.code for problem in checked(text).problems]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b" \n\t\n", "empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "binary"),
        ("composer: 1\n".encode("utf-16"), "UTF-16"),
        ("composer: 1\nsummary: é\n".encode("latin-1"), "line 2 is not UTF-8"),
    ],
)
def test_a_file_that_is_no_text(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_bytes(content)
    (problem,) = check(path, registry=toy_registry()).problems
    assert problem.code == "C001"
    assert words in problem.message


def test_a_file_beyond_the_size_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_BYTES", 10)
    path = tmp_path / "file.yaml"
    path.write_text("composer: 1\nname: x\n")
    (problem,) = check(path, registry=toy_registry()).problems
    assert problem.code == "C001"
    assert "limit" in problem.message


def test_a_directory_and_a_missing_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.yaml"):
        (problem,) = check(path, registry=toy_registry()).problems
        assert problem.code == "C001"


@pytest.mark.parametrize("text", ["# nothing\n", "- a\n- b\n", "text\n", "42\n", "--- a\n"])
def test_a_text_that_is_no_map(text: str) -> None:
    assert only(checked(text))[0] == "C102"


def test_two_documents_in_one_file() -> None:
    assert only(checked("composer: 1\n---\ncomposer: 1\n"))[:2] == ("C002", 2)
