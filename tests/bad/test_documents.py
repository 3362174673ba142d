"""Broken documents, each with exactly the problems that stand beside it: code, line and column, and nothing else.

`NAME.yaml` is broken the way people break documents; its first line says how. `NAME.expected` has one line per problem
and marks the place in the document's own text: see `expectations`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import pytest
from expectations import expectations

from composer.graph import Report, check
from composer.plugin import load_registry
from composer.problems import Problem
from composer.problems.codes import CODES
from composer.problems.fix import apply_fixes
from composer.problems.lines import split_lines

FOLDER = Path(__file__).parent
DOCUMENTS = sorted(path.name for path in FOLDER.glob("*.yaml"))
REGISTRY = load_registry()


def report_of(name: str) -> Report:
    return check(name, registry=REGISTRY)


def line_of(problem: Problem, name: str) -> str:
    place = f"{problem.place.line}:{problem.place.column}"
    where = place if problem.place.file == name else f"{problem.place.file}:{place}"
    return f"{problem.severity} {problem.code} {where}"


@pytest.fixture(autouse=True)
def _in_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_broken_document_has_exactly_its_problems(name: str) -> None:
    found = [line_of(problem, name) for problem in report_of(name).problems]
    assert found == [str(expected) for expected in expectations(Path(name))]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_place_lies_in_its_file(name: str) -> None:
    report = report_of(name)
    for problem in report.problems:
        for place in (problem.place, *(note.place for note in problem.notes)):
            if place.file in report.sources:
                lines = split_lines(report.sources[place.file])
                assert 1 <= place.line <= len(lines)
                assert 1 <= place.column <= len(lines[place.line - 1]) + 1
                assert (place.line, place.column) <= (place.end_line, place.end_column)


CURES = {
    "colon-missing-before-a-map": "write a colon after it: `read: {`",
    "method-behind-a-dash": "did you mean `vision.video`?",
    "text-and-vision-swapped": "are swapped",
    "type-instead-of-modality": "did you mean `modality`?",
    "generate-with-a-method": "write `generate: decoder`",
    "no-space-before-a-with": "write a space after the colon: `modality: image`",
    "none-for-null": "write `null`",
    "parameter-as-module": "parameters are filled in under `with` alone",
    "parameter-without-its-dollar": "did you mean `$size`?",
    "scores-without-the-method": "call: head.scores",
    "size-of-a-picture-under-another-name": "did you mean `size`?",
    "type-of-another-plugin": "did you mean `mplug2.fusion`?",
    "backslash-in-double-quotes": "use single quotes",
    "child-adds-a-second-verb": "write `call: null` beside it",
    "child-adds-to-a-misspelt-node": "did you mean `vector`, a node of the extended document?",
    "comma-missing": "a comma or a closing bracket is missing",
    "config-without-with": "write it under `with: {...}`",
    "extends-without-suffix": "did you mean `parents/embed.yaml`?",
    "module-read-as-a-node": "read a node that calls it: words",
    "module-type-called": "call what is declared with it: text",
    "module-used": "write `call: text`",
    "one-brace-too-many": "this `}` closes nothing",
    "outputs-indented-into-nodes": "`outputs` is a key of task `embed`: indent it as far as `nodes`",
    "override-of-a-misspelt-module": "did you mean `text`, a module of the extended document?",
    "override-of-a-misspelt-task": "did you mean `embed`, a task of the extended document?",
    "parameter-as-module-type": "parameters are filled in under `with` alone",
    "parameter-inside-a-text": "as a whole value under `with`",
    "parameter-in-double-braces": "a parameter is written `$name`",
    "parameter-of-a-parameter": "not inside a text or a parameter",
    "reference-with-a-slash": "did you mean `words.states`?",
    "tasks-inside-modules": "`tasks` is a key of the document: indent it as far as `modules`",
    "with-without-content": "indent its content below it",
}


@pytest.mark.parametrize("name", CURES)
def test_a_problem_comes_with_its_cure(name: str) -> None:
    assert any(
        CURES[name] in text for problem in report_of(f"{name}.yaml").problems for text in problem.helps
    )


def test_there_is_a_document_for_every_code_that_a_document_can_have() -> None:
    seen = {expected.code for name in DOCUMENTS for expected in expectations(Path(name))}
    elsewhere = {code.code for code in CODES.values() if code.plugins or code.of != "document"}
    assert set(CODES) - seen <= elsewhere
    assert len(DOCUMENTS) >= 50


def test_every_expectation_belongs_to_a_document() -> None:
    assert {path.stem for path in FOLDER.glob("*.expected")} == {Path(name).stem for name in DOCUMENTS}


def mended(report: Report) -> Mapping[str, str]:
    """The texts after every mechanical fix in the document's own file."""
    own = [p for p in report.problems if p.fix and all(edit.file in DOCUMENTS for edit in p.fix)]
    return apply_fixes(own, report.sources).texts


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if mended(report_of(str(FOLDER / name)))])
def test_a_mechanical_fix_removes_its_problem_and_makes_no_new_one(name: str, tmp_path: Path) -> None:
    report = report_of(name)
    texts = mended(report)
    (tmp_path / "parents").symlink_to(FOLDER / "parents")
    for file in DOCUMENTS:
        if file in report.sources:
            (tmp_path / file).write_text(texts.get(file, report.sources[file]), encoding="utf-8")
    after = check(tmp_path / name, registry=REGISTRY)
    fixed = [problem for problem in report.problems if problem.fix]
    before = {problem.code for problem in report.problems}
    assert len(after.problems) <= len(report.problems) - len(fixed)
    assert {problem.code for problem in after.problems} <= before


FAULTS = (
    ("name: video-qa", "nmae: video-qa"),
    ("width: $hidden", "width: $hiden"),
    ("text_encoder, with: {hidden: $hidden, heads", "text_encoder, with: {hidden: $hidden, head"),
    ("mplug2.universal_layers", "mplug2.universal_layer"),
    ("modality: text", "modality: txt"),
    ("call: vision,", "call: visions,"),
    ("states: words.states", "states: word.states"),
    ("uses: core.concat", "uses: core.conct"),
    ("answer: answer.text", "answer: answer.txt"),
)
"""Faults of parents/qa.yaml that do not hide each other."""


@pytest.mark.parametrize(
    "five", list(combinations(FAULTS, 5))[::7], ids=lambda five: str(FAULTS.index(five[0]))
)
def test_any_five_faults_are_found_in_one_run(five: tuple[tuple[str, str], ...], tmp_path: Path) -> None:
    text = Path("parents/qa.yaml").read_text()
    for right, wrong in five:
        assert text.count(right) == 1
        text = text.replace(right, wrong)
    path = tmp_path / "document.yaml"
    path.write_text(text)
    expected = {number for number, line in enumerate(text.splitlines(), 1) if any(w in line for _, w in five)}
    problems = check(path, registry=REGISTRY).problems
    assert {problem.place.line for problem in problems} == expected
    assert len(problems) == 5
