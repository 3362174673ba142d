"""Documents that extend each other, with options of a search as they were written once, and their fixes."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from old_searches import PLAIN, WRITTEN, codes, document, mended, searched

from composer.cli import main
from composer.graph import check

PARENT = "{max_tokens: 10, search: {uses: mplug2.beam, with: {beams: 5}}}"


def child(options: str, parent: str = "parent.yaml") -> str:
    return f"composer: 1\nextends: {parent}\ntasks: {{rewrite: {{nodes: {{answer: {{with: {options}}}}}}}}}\n"


@pytest.mark.parametrize(
    ("parent", "own", "written", "meant"),
    [
        (PARENT, "{beams: 3}", "{search: {with: {beams: 3}}}", ("mplug2.beam", {"beams": 3}, 3)),
        (
            PARENT,
            "{penalty: none, beams: 3}",
            "{search: {uses: core.beam, with: {beams: 3}}}",
            ("core.beam", {"beams": 3}, 3),
        ),
        ("{max_tokens: 4}", "{penalty: none}", WRITTEN, PLAIN),
    ],
)
def test_a_child_of_a_document_of_today(
    parent: str, own: str, written: str, meant: tuple[str, dict[str, Any], int], tmp_path: Path
) -> None:
    (tmp_path / "parent.yaml").write_text(document(parent))
    path = tmp_path / "child.yaml"
    path.write_text(child(own))
    assert codes(check(path)) == ["C226"]
    assert mended(path) == child(written)
    assert searched(check(path)) == meant


OLD = (
    "{max_tokens: 3}",
    "{penalty: none, beams: 1}",
    "{penalty: mplug2}",
    "{penalty: none}",
    "{beams: 3}",
    "{beams: 1}",
    "{beams: 5, penalty: mplug2}",
    "{penalty: null}",
    "{beams: null}",
    "{penalty: null, beams: null}",
)
ONCE = {"none": "core.beam", "mplug2": "mplug2.beam"}


def meant_once(*options: str) -> tuple[str, dict[str, Any], int]:
    """What old documents mean that extend each other: the last `penalty` and the last `beams`, or the defaults."""
    found: dict[str, Any] = {}
    for each in options:
        found |= yaml.safe_load(each)
    beams = found.get("beams") or 1
    return ONCE[found.get("penalty") or "none"], {"beams": beams}, beams


def hold_in_any_order(folder: Path, options: tuple[str, ...], meant: tuple[str, dict[str, Any], int]) -> None:
    """Documents that extend each other are mended one by one, in every order, and together: the search stays."""
    names = [f"{'abc'[place]}.yaml" for place in range(len(options))]
    last = folder / names[-1]
    steps = [*([[name] for name in order] for order in itertools.permutations(names)), [names]]
    for order in steps:
        (folder / names[0]).write_text(document(options[0]))
        for parent, name, own in zip(names, names[1:], options[1:], strict=False):
            (folder / name).write_text(child(own, parent))
        assert set(codes(check(last))) <= {"C226"}
        assert searched(check(last)) == meant
        for step in order:
            main(["check", "--fix", *(str(folder / name) for name in step)])
            assert searched(check(last)) == meant, (order, step)
        assert codes(check(last)) == []


@pytest.mark.parametrize("own", OLD)
@pytest.mark.parametrize("parent", OLD)
def test_a_child_means_what_it_meant_whichever_document_is_mended_first(
    parent: str, own: str, tmp_path: Path
) -> None:
    meant = meant_once(parent, own) if parent != own or parent != OLD[0] else ("core.greedy", {}, 1)
    hold_in_any_order(tmp_path, (parent, own), meant)


@pytest.mark.parametrize(
    "options",
    [
        ("{penalty: none}", "{beams: 3}", "{penalty: mplug2}"),
        ("{beams: 5, penalty: mplug2}", "{penalty: null}", "{beams: null}"),
        ("{max_tokens: 3}", "{beams: 2}", "{penalty: mplug2}"),
        ("{penalty: mplug2}", "{penalty: none}", "{beams: 4}"),
    ],
)
def test_three_documents_in_a_row(options: tuple[str, ...], tmp_path: Path) -> None:
    hold_in_any_order(tmp_path, options, meant_once(*options))


FOUR, FIVE = "{search: {uses: core.beam, with: {beams: 4}}}", "{penalty: mplug2, beams: 5}"


@pytest.mark.parametrize(
    ("parent", "own", "meant"),
    [
        (FOUR, "{penalty: none, beams: 1}", ("core.beam", {"beams": 1}, 1)),
        (FOUR, "{penalty: mplug2}", ("mplug2.beam", {"beams": 4}, 4)),
        (FOUR, "{beams: null}", ("core.beam", {"beams": 1}, 1)),
        ("{search: {}}", "{penalty: mplug2, beams: 2}", ("mplug2.beam", {"beams": 2}, 2)),
        ("{search: {}}", "{penalty: none}", ("core.beam", {"beams": 1}, 1)),
        ("{search: {}}", "{beams: 2}", ("core.beam", {"beams": 2}, 2)),
        ("{search: core.greedy}", "{beams: 3}", ("core.beam", {"beams": 3}, 3)),
        ("{search: {uses: core.greedy}}", "{beams: 3}", ("core.beam", {"beams": 3}, 3)),
        ("{search: core.greedy}", "{penalty: mplug2}", ("mplug2.beam", {"beams": 1}, 1)),
        ("{search: mplug2.beam}", "{beams: 3}", ("mplug2.beam", {"beams": 3}, 3)),
        ("{search: mplug2.beam}", "{penalty: none}", ("core.beam", {"beams": 1}, 1)),
        ("{search: {uses: mplug2.beam}}", "{penalty: null}", ("core.beam", {"beams": 1}, 1)),
        (FIVE, "{search: core.beam}", ("core.beam", {"beams": 5}, 5)),
        (FIVE, "{search: {uses: core.beam}}", ("core.beam", {"beams": 5}, 5)),
        (FIVE, "{search: {uses: core.beam, with: {beams: 2}}}", ("core.beam", {"beams": 2}, 2)),
        (FIVE, "{search: {with: {beams: 2}}}", ("mplug2.beam", {"beams": 2}, 2)),
        (FIVE, "{search: null}", ("core.greedy", {}, 1)),
        (FIVE, "{search: null, beams: 2}", ("core.beam", {"beams": 2}, 2)),
        (FIVE, "{search: core.beam, beams: 2}", ("core.beam", {"beams": 2}, 2)),
        (FIVE, "null", ("core.greedy", {}, 1)),
    ],
)
def test_old_and_new_documents_in_one_chain(
    parent: str, own: str, meant: tuple[str, dict[str, Any], int], tmp_path: Path
) -> None:
    hold_in_any_order(tmp_path, (parent, own), meant)


def test_a_value_is_refused_in_the_file_that_wrote_it(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text(document(FOUR))
    path = tmp_path / "child.yaml"
    path.write_text(child("{beams: 0}"))
    (refused,) = (problem for problem in check(path).problems if problem.code == "C206")
    assert refused.place.file == str(path)
    assert path.read_text()[refused.place.start : refused.place.end] == "0"
