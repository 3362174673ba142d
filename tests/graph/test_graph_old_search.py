"""Options of a search as documents wrote them once: one problem for each place, a fix, and a document that is clean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from composer.cli import main
from composer.graph import Report, check

HEAD = """\
composer: 1
parameters: {PARAMETERS}
modules:
  text: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 2}}
  decoder: {uses: mplug2.text_decoder, with: {hidden: 64, heads: 4, layers: 2}}
tasks:
  rewrite:
    inputs:
      question: {modality: text, with: {tokenizer: bert-uncased}}
    nodes:
      words: {call: text, inputs: {tokens: question.tokens}}
      answer: WITH
    outputs:
      answer: answer.text
"""
FLOW = "{generate: decoder, inputs: {memory: words.states}, with: WITH}"
BLOCK = "\n        generate: decoder\n        inputs: {memory: words.states}\n        with:\n"


def document(options: str, parameters: str = "") -> str:
    return HEAD.replace("WITH", FLOW.replace("WITH", options)).replace("PARAMETERS", parameters)


def block(*rows: str) -> str:
    text = BLOCK + "\n".join(f"          {row}" for row in rows)
    return HEAD.replace("WITH", text).replace("PARAMETERS", "")


def codes(report: Report) -> list[str]:
    return [problem.code for problem in report.problems]


def searched(report: Report) -> tuple[str, dict[str, Any], int]:
    search = report.tasks["rewrite"].nodes["answer"].search
    assert search is not None
    return search.policy.id, search.config.model_dump(), search.beams


def mended(path: Path, *arguments: str) -> str:
    assert main(["check", "--fix", str(path), *arguments]) == 0
    return path.read_text()


PLAIN = ("core.greedy", {}, 1)


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
        ("{penalty: none}", "{search: core.greedy}", PLAIN),
        ("{beams: 1, penalty: none}", "{search: core.greedy}", PLAIN),
        ("{beams: 1, min_tokens: 2}", "{search: core.greedy, min_tokens: 2}", PLAIN),
        (
            "{penalty: mplug3}",
            "{search: {uses: mplug2.beam, with: {beams: 1}}}",
            ("mplug2.beam", {"beams": 1}, 1),
        ),
        ("{penalty: 0.6}", "{search: core.greedy}", PLAIN),
        ("{penalty: null}", "{search: core.greedy}", PLAIN),
        (
            "{penalty: [1, 2], beams: 2}",
            "{search: {uses: core.beam, with: {beams: 2}}}",
            ("core.beam", {"beams": 2}, 2),
        ),
        ("{penalty: {a: 1}}", "{search: core.greedy}", PLAIN),
        (
            "{penalty: length, beams: 2}",
            "{search: {uses: core.beam, with: {beams: 2}}}",
            ("core.beam", {"beams": 2}, 2),
        ),
        (
            '{"penalty": "mplug2", "beams": 4}',
            "{search: {uses: mplug2.beam, with: {beams: 4}}}",
            ("mplug2.beam", {"beams": 4}, 4),
        ),
        ("{penalty: , max_tokens: 3}", "{search: core.greedy, max_tokens: 3}", PLAIN),
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
            ("max_tokens: 10", "search: {uses: mplug2.beam, with: {beams: 5}}  # the length"),
        ),
        (("penalty: none",), ("search: core.greedy",)),
        (("penalty:", "  - 1", "max_tokens: 3"), ("search: core.greedy", "max_tokens: 3")),
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


PARENT = "{max_tokens: 10, search: {uses: mplug2.beam, with: {beams: 5}}}"


def child(options: str) -> str:
    return (
        f"composer: 1\nextends: parent.yaml\ntasks: {{rewrite: {{nodes: {{answer: {{with: {options}}}}}}}}}\n"
    )


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
        ("{max_tokens: 4}", "{penalty: none}", "{search: core.greedy}", PLAIN),
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


@pytest.mark.parametrize(
    ("parent", "own", "meant"),
    [
        ("{beams: 5, penalty: mplug2}", "{beams: 3}", ("mplug2.beam", {"beams": 3}, 3)),
        ("{beams: 5, penalty: mplug2}", "{penalty: none}", ("core.beam", {"beams": 5}, 5)),
        ("{beams: 5, penalty: mplug2}", "{max_tokens: 3}", ("mplug2.beam", {"beams": 5}, 5)),
        ("{beams: 4}", "{penalty: mplug2}", ("mplug2.beam", {"beams": 4}, 4)),
    ],
)
def test_an_old_parent_and_its_child_are_mended_together(
    parent: str, own: str, meant: tuple[str, dict[str, Any], int], tmp_path: Path
) -> None:
    above, path = tmp_path / "parent.yaml", tmp_path / "child.yaml"
    above.write_text(document(parent))
    path.write_text(child(own))
    assert set(codes(check(path))) == {"C226"}
    assert main(["check", "--fix", str(above), str(path)]) == 0
    assert codes(check(path)) == []
    assert searched(check(path)) == meant


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


def test_a_policy_of_a_plugin_that_is_not_here_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(document("{penalty: other.sample}"))
    report = check(path)
    assert codes(report) == ["C226"]
    assert "write `search: other.sample`" in report.problems[0].helps


def test_an_alias_stays_an_alias(tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(document("{max_tokens: &n 3, min_tokens: 1, beams: *n}"))
    assert codes(check(path)) == ["C226"]
    assert mended(path) == document(
        "{max_tokens: &n 3, min_tokens: 1, search: {uses: core.beam, with: {beams: *n}}}"
    )
