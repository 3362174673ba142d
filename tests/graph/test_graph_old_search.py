"""Options of a search as documents wrote them once: one problem for each place, a fix, and a document that is clean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from old_searches import PLAIN, WRITTEN, block, codes, document, mended, searched

from composer.cli import main
from composer.graph import check
from composer.language import Source
from composer.plugin import Register, SearchPolicy, hookimpl, load_registry


@pytest.mark.parametrize(
    ("options", "written", "meant"),
    [
        (
            "{beams: 5, max_tokens: 10, penalty: mplug2}",
            "{max_tokens: 10, search: {uses: mplug2.beam, with: {beams: 5}}}",
            ("mplug2.beam", {"beams": 5}, 5),
        ),
        (
            "{penalty: mplug2, max_tokens: 10}",
            "{search: {uses: mplug2.beam, with: {beams: 1}}, max_tokens: 10}",
            ("mplug2.beam", {"beams": 1}, 1),
        ),
        (
            "{beams: 3}",
            "{search: {uses: core.beam, with: {beams: 3}}}",
            ("core.beam", {"beams": 3}, 3),
        ),
        ("{penalty: none}", WRITTEN, PLAIN),
        ("{beams: 1, penalty: none}", WRITTEN, PLAIN),
        ("{beams: 1, min_tokens: 2}", f"{WRITTEN[:-1]}, min_tokens: 2}}", PLAIN),
        ("{penalty: nonee}", WRITTEN, PLAIN),
        ("{penalty: null}", WRITTEN, PLAIN),
        ("{penalty: none, beams: null}", WRITTEN, PLAIN),
        (
            '{"penalty": "mplug2", "beams": 4}',
            "{search: {uses: mplug2.beam, with: {beams: 4}}}",
            ("mplug2.beam", {"beams": 4}, 4),
        ),
        ("{penalty: , max_tokens: 3}", f"{WRITTEN[:-1]}, max_tokens: 3}}", PLAIN),
        (
            "{search: core.beam, beams: 3}",
            "{search: {uses: core.beam, with: {beams: 3}}}",
            ("core.beam", {"beams": 3}, 3),
        ),
    ],
)
def test_old_options_are_one_problem_and_its_fix(
    options: str, written: str, meant: tuple[str, dict[str, Any], int], tmp_path: Path
) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(document(options))
    assert codes(check(path)) == ["C226"]
    assert mended(path) == document(written)
    assert searched(check(path)) == meant


@pytest.mark.parametrize(
    ("rows", "written"),
    [
        (
            ("beams: 5  # as published", "max_tokens: 10", "penalty: mplug2  # the length"),
            (
                "# as published",
                "max_tokens: 10",
                "search: {uses: mplug2.beam, with: {beams: 5}}  # the length",
            ),
        ),
        (("penalty: none",), (WRITTEN[1:-1],)),
        (("penalty:", "max_tokens: 3"), (WRITTEN[1:-1], "max_tokens: 3")),
        (
            ("search:", "  uses: core.beam", "max_tokens: 3", "beams: 3"),
            ("max_tokens: 3", "search: {uses: core.beam, with: {beams: 3}}"),
        ),
        (
            ("penalty: mplug2", "# and", "beams: 2"),
            ("# and", "search: {uses: mplug2.beam, with: {beams: 2}}"),
        ),
    ],
)
def test_block_maps_keep_their_other_lines(
    rows: tuple[str, ...], written: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(block(*rows))
    assert codes(check(path)) == ["C226"]
    assert mended(path) == block(*written)


def test_parameters_keep_their_names_and_may_be_set(tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(document("{beams: $beams, penalty: $penalty}", "penalty: mplug2, beams: 3"))
    for settings in ({}, {"penalty": "none"}, {"beams": 1}):
        assert codes(check(path, settings=settings)) == ["C226"]
    text = mended(path, "--set", "penalty=none")
    assert text == document("{search: {uses: $penalty, with: {beams: $beams}}}", "penalty: mplug2, beams: 3")
    assert searched(check(path)) == ("mplug2.beam", {"beams": 3}, 3)
    assert searched(check(path, settings={"penalty": "none"})) == ("core.beam", {"beams": 3}, 3)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("{beams: 0, penalty: mplug2}", ["C206", "C226"]),
        ("{max_token: 3, penalty: mplug2}", ["C101", "C226"]),
        ("{max_tokens: 9000, penalty: mplug2}", ["C206", "C226"]),
    ],
)
def test_other_faults_of_the_node_are_told_in_the_same_run(
    options: str, found: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(document(options))
    assert sorted(codes(check(path))) == found


@pytest.mark.parametrize(
    ("options", "helps"),
    [
        (
            "{penalty: other.drawing}",
            (
                "write `search: {uses: other.drawing}`",
                "no search policy is called 'other.drawing'; registered: ",
            ),
        ),
        (
            "{penalty: other.drawing, beams: 3}",
            (
                "write `search: {uses: other.drawing, with: {beams: 3}}`",
                "no search policy is called 'other.drawing'; registered: ",
            ),
        ),
        (
            "{penalty: mplug3, beams: 3}",
            (
                "write `search: {uses: POLICY, with: {beams: 3}}`",
                "did you mean `mplug2`?",
                "no search policy is called 'mplug3'; registered: ",
            ),
        ),
        ("{penalty: length}", ("write `search: {uses: POLICY}`", "no search policy is called 'length'; ")),
        ("{penalty: 0.6}", ("write `search: {uses: POLICY}`", "no search policy is called 0.6; ")),
        ("{penalty: [1, 2]}", ("write `search: {uses: POLICY}`", "no search policy is called [1, 2]; ")),
        ("{penalty: ''}", ("write `search: {uses: POLICY}`", "no search policy is called ''; ")),
    ],
)
def test_what_names_no_policy_has_no_fix(options: str, helps: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(document(options))
    report = check(path)
    assert codes(report) == ["C226"]
    (problem,) = report.problems
    assert problem.fix == ()
    assert len(problem.helps) == len(helps)
    assert all(found.startswith(begin) for found, begin in zip(problem.helps, helps, strict=True))
    assert main(["check", "--fix", str(path)]) == 1
    assert path.read_text() == document(options)


@pytest.mark.parametrize(
    ("options", "written", "meant"),
    [
        (
            "{search: {uses: core.beam, with: {}}, beams: 3}",
            "{search: {uses: core.beam, with: {beams: 3}}}",
            ("core.beam", {"beams": 3}, 3),
        ),
        (
            "{beams: 3, max_tokens: 4, search: {uses: mplug2.beam}}",
            "{max_tokens: 4, search: {uses: mplug2.beam, with: {beams: 3}}}",
            ("mplug2.beam", {"beams": 3}, 3),
        ),
        (
            "{search: {with: {beams: 2}}, penalty: mplug2}",
            "{search: {uses: mplug2.beam, with: {beams: 2}}}",
            ("mplug2.beam", {"beams": 2}, 2),
        ),
        (
            "{search: {uses: mplug2.beam, with: {beams: 2}}, penalty: mplug2, beams: 2}",
            "{search: {uses: mplug2.beam, with: {beams: 2}}}",
            ("mplug2.beam", {"beams": 2}, 2),
        ),
        ("{search: {}, penalty: none}", WRITTEN, PLAIN),
        ("{search: core.greedy, beams: 1}", "{search: {uses: core.greedy}}", ("core.greedy", {}, 1)),
    ],
)
def test_a_search_beside_old_options_takes_them_in(
    options: str, written: str, meant: tuple[str, dict[str, Any], int], tmp_path: Path
) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(document(options))
    assert codes(check(path)) == ["C226"]
    assert searched(check(path)) == meant
    assert mended(path) == document(written)
    assert searched(check(path)) == meant


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        ("{search: core.beam, penalty: mplug2}", ("core.beam", {"beams": 5}, 5)),
        ("{search: {uses: core.beam, with: {beams: 2}}, beams: 3}", ("core.beam", {"beams": 2}, 2)),
    ],
)
def test_a_search_that_says_otherwise_has_the_last_word_and_nothing_is_rewritten(
    options: str, meant: tuple[str, dict[str, Any], int], tmp_path: Path
) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(document(options))
    report = check(path)
    assert codes(report) == ["C226"]
    assert report.problems[0].fix == ()
    assert report.problems[0].helps[-1] == "the `search` beside it says otherwise, and has the last word"
    assert searched(report) == meant


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("{search: core.beem, beams: 3}", {"C226", "C221"}),
        ("{search: {uses: other.drawing}, penalty: none}", {"C226", "C221"}),
        ("{search: core.greedy, beams: 3}", {"C226", "C101"}),
        ("{search: {uses: core.beam, with: 3}, beams: 3}", {"C226", "C206"}),
    ],
)
def test_a_fault_of_the_search_beside_is_told_too(options: str, found: set[str], tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(document(options))
    report = check(path)
    assert sorted(codes(report)) == sorted(found)
    lines = path.read_text().splitlines()
    assert all(options in lines[problem.place.line - 1] for problem in report.problems)


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ("{penalty: &p mplug2, min_tokens: 1, beams: 2}", ""),
        ("{beams: &n 3, min_tokens: *n, max_tokens: 9, penalty: none}", ""),
        ("{beams: &n 3, max_tokens: *n}", ""),
    ],
)
def test_an_anchor_is_left_before_its_aliases(options: str, parameters: str, tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(document(options, parameters))
    report = check(path)
    assert codes(report) == ["C226"]
    assert report.problems[0].fix == ()


@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_a_quoted_parameter_is_a_parameter(quote: str, tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    head = "penalty: mplug2, beams: 3"
    path.write_text(document(f"{{penalty: {quote}$penalty{quote}, beams: {quote}$beams{quote}}}", head))
    written = f"{{search: {{uses: {quote}$penalty{quote}, with: {{beams: {quote}$beams{quote}}}}}}}"
    assert mended(path) == document(written, head)
    assert searched(check(path, settings={"penalty": "none"})) == ("core.beam", {"beams": 3}, 3)


@pytest.mark.parametrize("search", ["''", "{uses: ''}", "' '"])
def test_an_empty_text_is_not_a_policy(search: str, tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    path.write_text(document(f"{{search: {search}}}"))
    report = check(path)
    assert codes(report) == ["C206"]
    assert "it names a search policy" in report.problems[0].message


def test_an_alias_stays_an_alias(tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(document("{max_tokens: &n 3, min_tokens: 1, beams: *n}"))
    assert codes(check(path)) == ["C226"]
    assert mended(path) == document(
        "{max_tokens: &n 3, min_tokens: 1, search: {uses: core.beam, with: {beams: *n}}}"
    )


class _SecondClaim:
    @hookimpl
    def composer_register(self, register: Register) -> None:
        register(SearchPolicy("core.beam", "nowhere:nothing", "Another of this name."))


@pytest.mark.parametrize("options", ["{search: core.beam}", "{search: {uses: core.beam, with: {beams: 3}}}"])
def test_a_policy_that_two_plugins_claim_is_told_where_it_is_named(options: str) -> None:
    registry = load_registry([("other", _SecondClaim())])
    report = check(Source("document.yaml", document(options)), registry=registry)
    assert codes(report) == ["C301"]
    assert codes(check(Source("document.yaml", document("{search: core.greedy}")), registry=registry)) == []
