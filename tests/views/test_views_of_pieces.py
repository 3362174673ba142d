"""Uses of pieces in tables, resolved documents and pictures: groups around what is inside, or one box in its place."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from composer.graph import check
from composer.language import Source
from composer.views import document_text, resolved_text, task_text
from composer.views.picture import mermaid_text, svg_text
from composer.views.picture.scene import scenes_of

DOCUMENT = """\
composer: 1
name: pieces
parameters: {width: 8, other: 1}
modules:
  narrow: {uses: core.linear, with: {input_dim: $width, output_dim: 8}}
  unused: {uses: core.linear, with: {input_dim: $other, output_dim: 8}}
pieces:
  doubled:
    parameters: {how: mean}
    inputs: {states: "states[B, N, $width]"}
    nodes:
      both: {uses: core.concat, inputs: {first: states, second: states}}
      thin: {call: narrow, inputs: {states: both.states}}
      vector: {uses: core.pool, inputs: {states: thin.states}, with: {how: $how}}
    outputs: {states: thin.states, vector: vector.embedding}
  deep:
    inputs: {states: states}
    nodes:
      once: {piece: doubled, inputs: {states: states}}
      again: {piece: doubled, inputs: {states: once.states}, with: {how: max}}
    outputs: {vector: again.vector}
  lost:
    inputs: {states: states}
    nodes: {out: {call: unused, inputs: states}}
    outputs: {states: out.states}
tasks:
  t:
    inputs: {x: {modality: array, with: {kind: states, dims: [B, N, 8]}}}
    nodes:
      first: {piece: doubled, inputs: {states: x}}
      second: {piece: deep, inputs: {states: first.states}}
    outputs: {vector: second.vector}
"""


@pytest.fixture
def report():
    return check(Source("pieces.yaml", DOCUMENT)).raise_for_errors()


def test_tables_name_pieces_with_their_users_and_uses_before_what_is_inside(report) -> None:
    text = document_text(report)
    assert "doubled  states: states[B, N, $width]  states, vector  t (3 uses)" in text
    rows = [line.split()[0] for line in text.splitlines() if line.startswith("    ")]
    assert rows[1:8] == ["x", "first", "first/both", "first/thin", "first/vector", "second", "second/once"]


def test_a_closed_table_speaks_of_ports_as_the_task_does(report) -> None:
    text = task_text(report.tasks["t"], closed=True)
    assert "/" not in text
    assert "piece deep" in text
    assert "first.states" in text


def test_the_resolved_document_keeps_what_a_use_decides_and_can_be_read_again(report) -> None:
    text = resolved_text(report.document)
    assert "how: $how" in text
    assert "input_dim: 8" in text
    assert not check(Source("again.yaml", text)).errors


def test_the_resolved_task_has_the_pieces_and_modules_that_it_uses(report) -> None:
    text = resolved_text(report.document, task="t")
    assert "  doubled:" in text
    assert "  narrow:" in text
    assert "lost" not in text
    assert "unused" not in text


def test_a_picture_draws_a_group_around_each_use(report) -> None:
    (scene,) = scenes_of(report)
    assert [(group.name, group.depth) for group in scene.groups] == [
        ("first", 0),
        ("second", 0),
        ("second/once", 1),
        ("second/again", 1),
    ]
    texts = [
        element.text
        for element in ElementTree.fromstring(svg_text(report)).iter("{http://www.w3.org/2000/svg}text")
    ]
    assert "second/again · piece doubled" in texts


def test_a_closed_picture_has_one_box_for_a_use(report) -> None:
    (scene,) = scenes_of(report, closed=True)
    assert list(scene.boxes) == ["x", "first", "second", "out:vector"]
    assert [(link.source, link.source_port, link.target, link.target_port) for link in scene.links] == [
        ("x", "states", "first", "states"),
        ("first", "states", "second", "states"),
        ("second", "vector", "out:vector", ""),
    ]
    assert "piece deep" in svg_text(report, closed=True)


def test_mermaid_draws_groups_as_subgraphs_that_all_end(report) -> None:
    lines = [line.strip() for line in mermaid_text(report).splitlines()]
    assert sum(line.startswith("subgraph") for line in lines) == 1 + 4
    assert lines.count("end") == 5
    closed = [line.strip() for line in mermaid_text(report, closed=True).splitlines()]
    assert sum(line.startswith("subgraph") for line in closed) == 1


def test_a_use_that_gives_before_it_has_all_stays_open() -> None:
    text = DOCUMENT.replace(
        "tasks:\n",
        "  pair:\n    inputs: {a: states, b: states}\n    nodes:\n"
        "      p: {uses: core.add, inputs: {first: a, second: a}}\n"
        "      q: {uses: core.add, inputs: {first: b, second: b}}\n"
        "    outputs: {p: p.states, q: q.states}\ntasks:\n",
    ).replace(
        "    outputs: {vector: second",
        "      round: {piece: pair, inputs: {a: x, b: mid}}\n"
        "      mid: {uses: core.add, inputs: {first: round.p, second: x}}\n"
        "    outputs: {q: round.q, vector: second",
    )
    (scene,) = scenes_of(check(Source("pieces.yaml", text)).raise_for_errors(), closed=True)
    assert "round/p" in scene.boxes
