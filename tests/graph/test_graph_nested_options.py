"""Options inside of options: each fault is one problem, which speaks of the map that it stands in."""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Union

import pytest
from old_searches import document
from pydantic import Field

from composer.graph import check
from composer.language import Source
from composer.plugin import Config, ModuleType, Register, Registry, hookimpl, load_registry
from composer.problems import Problem


class Place(Config):
    row: int = Field(ge=0)
    """Counted from the top."""
    column: int = 0
    """Counted from the left."""


class Grid(Config):
    origin: Place = Place(row=0)
    """Where it begins."""
    end: Optional[Place] = None  # noqa: UP045
    """Where it ends."""
    marks: list[Place] = Field(default_factory=list)
    """What stands out."""
    named: dict[str, Place] = Field(default_factory=dict)
    """What has a name."""
    either: Union[Place, int] = 0
    """A place, or a number."""
    sizes: tuple[int, int] = (1, 1)
    """How large it is."""


class Point(Place):
    depth: int = 0


class Plain(Config):
    origin: Point = Point(row=0)


class _Plugin:
    @hookimpl
    def composer_register(self, register: Register) -> None:
        register(
            ModuleType("toy.grid", Grid, {}, "toy_parts:build_grid", "A grid."),
            ModuleType("toy.plain", Plain, {}, "toy_parts:build_grid", "Another."),
        )


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry([("toy", _Plugin())])


def grid(options: str) -> str:
    return f"composer: 1\nmodules:\n  grid: {{uses: toy.grid, with: {{{options}}}}}\n"


def found(text: str, registry: Registry) -> list[Problem]:
    report = check(Source("document.yaml", text), registry=registry)
    return [problem for problem in report.problems if problem.severity == "error"]


@pytest.mark.parametrize(
    ("options", "code", "message", "helps", "at"),
    [
        (
            "origin: {rwo: 1}",
            "C101",
            "`origin` of toy.grid has no option `rwo`",
            ("did you mean `row`?", "`origin` of toy.grid takes row, column"),
            "rwo",
        ),
        (
            "end: {row: 1, colum: 1}",
            "C101",
            "`end` of toy.grid has no option `colum`",
            ("did you mean `column`?", "`end` of toy.grid takes row, column"),
            "colum",
        ),
        (
            "marks: [{row: 1}, {row: 1, colum: 1}]",
            "C101",
            "`marks.1` of toy.grid has no option `colum`",
            ("did you mean `column`?", "`marks.1` of toy.grid takes row, column"),
            "colum",
        ),
        (
            "named: {here: {row: 1, colum: 1}}",
            "C101",
            "`named.here` of toy.grid has no option `colum`",
            ("did you mean `column`?", "`named.here` of toy.grid takes row, column"),
            "colum",
        ),
        (
            "end: {column: 1}",
            "C206",
            "toy.grid needs `end.row`",
            ("end.row: Counted from the top.",),
            "end",
        ),
        (
            "named: {here: {row: -1}}",
            "C206",
            "toy.grid refuses its config: 0 or more is expected",
            ("named.here.row: Counted from the top.",),
            "-1",
        ),
        (
            "either: {rwo: 1}",
            "C101",
            "`either` of toy.grid has no option `rwo`",
            ("did you mean `row`?", "`either` of toy.grid takes row, column"),
            "rwo",
        ),
        (
            "sizes: [1, wide]",
            "C206",
            "toy.grid refuses its config: a whole number is expected",
            ("sizes: How large it is.",),
            "wide",
        ),
        (
            "orign: {row: 1}",
            "C101",
            "toy.grid has no option `orign`",
            (
                "did you mean `origin`?",
                "toy.grid takes origin, end, marks, named, either, sizes",
            ),
            "orign",
        ),
    ],
)
def test_a_fault_in_a_map_speaks_of_that_map(
    options: str, code: str, message: str, helps: tuple[str, ...], at: str, registry: Registry
) -> None:
    text = grid(options)
    (problem,) = found(text, registry)
    assert (problem.code, problem.message, problem.helps) == (code, message, helps)
    assert text[problem.place.start : problem.place.end] == at


def test_each_of_several_maps_has_its_own_options(registry: Registry) -> None:
    text = grid("origin: {rwo: 1}, end: {}, columns: 3")
    assert [problem.message for problem in found(text, registry)] == [
        "`origin` of toy.grid has no option `rwo`",
        "toy.grid needs `end.row`",
        "toy.grid has no option `columns`",
    ]


def test_what_a_child_keeps_by_changing_the_type_is_removed_at_its_level(
    tmp_path: Path, registry: Registry
) -> None:
    child = tmp_path / "child.yaml"
    child.write_text("composer: 1\nextends: parent.yaml\nmodules: {grid: {uses: toy.grid}}\n")
    (tmp_path / "parent.yaml").write_text(grid("origin: {row: 1, depth: 2}").replace("toy.grid", "toy.plain"))
    (problem,) = (each for each in check(child, registry=registry).problems if each.severity == "error")
    assert problem.message.startswith("toy.grid has no option `origin.depth`, which it keeps from ")
    assert problem.helps == (
        "remove what belongs to another one: `with: {origin: {depth: null}}`",
        "`origin` of toy.grid takes row, column",
    )


@pytest.mark.parametrize(
    ("search", "message", "helps"),
    [
        (
            "{use: core.beam}",
            "`search` of generate decoder has no option `use`",
            ("did you mean `uses`?", "`search` of generate decoder takes uses, with"),
        ),
        (
            "{uses: core.beam, wiht: {beams: 3}}",
            "`search` of generate decoder has no option `wiht`",
            ("did you mean `with`?", "`search` of generate decoder takes uses, with"),
        ),
        (
            "{uses: core.beam, with: {beems: 3}}",
            "core.beam has no option `beems`",
            (
                "did you mean `beams`?",
                "core.beam takes repetition_penalty, no_repeat_ngram, forbidden, first, last, stop, beams, "
                "length_penalty, count_first, early_stop, groups, diversity",
            ),
        ),
        (
            "{}",
            "generate decoder needs `search.uses`",
            ("search.uses: Id of a registered search policy.",),
        ),
    ],
)
def test_a_search_speaks_of_its_own_options(search: str, message: str, helps: tuple[str, ...]) -> None:
    (problem,) = check(Source("document.yaml", document(f"{{search: {search}}}"))).problems
    assert problem.message == message
    assert problem.helps == helps
