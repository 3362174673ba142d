"""`composer show --closed`: uses of pieces as one line each; what is told node by node has no such form."""

from __future__ import annotations

from pathlib import Path

import pytest

DOCUMENT = """\
composer: 1
pieces:
  doubled:
    inputs: {states: states}
    nodes: {both: {uses: core.concat, inputs: {first: states, second: states}}}
    outputs: {states: both.states}
tasks:
  t:
    inputs: {x: {modality: array, with: {kind: states, dims: [B, N, 8]}}}
    nodes: {first: {piece: doubled, inputs: {states: x}}}
    outputs: {states: first.states}
"""


def test_closed_tables_leave_out_what_is_inside(composer, tmp_path: Path) -> None:
    document = tmp_path / "pieces.yaml"
    document.write_text(DOCUMENT)
    assert "first/both" in composer("show", f"{document}:t").out
    assert "first/both" not in composer("show", f"{document}:t", "--closed").out


@pytest.mark.parametrize("option", ["--plan", "--resolved", "--cost"])
def test_closed_goes_with_tables_and_pictures_alone(composer, tmp_path: Path, option: str) -> None:
    document = tmp_path / "pieces.yaml"
    document.write_text(DOCUMENT)
    assert composer("show", document, "--closed", option).code == 2
