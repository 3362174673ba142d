"""`composer show --picture`: complete, well-formed, and one colour per module."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

SVG = "{http://www.w3.org/2000/svg}"

TASK = """\
composer: 1
name: pair & twin
summary: Compare <two> questions.
modules:
  encoder: {uses: mplug2.text_encoder, with: {hidden: 64, heads: 4, layers: 2}}
  norm: {uses: core.layer_norm, with: {dim: 64}}
tasks:
  compare:
    inputs:
      first: {modality: text, with: {tokenizer: bert-uncased}}
      second: {modality: text, with: {tokenizer: bert-uncased}}
    nodes:
      left: {call: encoder, inputs: {tokens: first.tokens}}
      right: {call: encoder, inputs: {tokens: second.tokens}}
      both: {uses: core.concat, inputs: {first: left.states, second: right.states}}
      calm: {call: norm, inputs: {states: both.states}}
    outputs:
      states: calm.states
  single:
    inputs:
      first: {modality: text, with: {tokenizer: bert-uncased}}
    nodes:
      left: {call: encoder, inputs: {tokens: first.tokens}}
    outputs:
      states: left.states
"""


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("pair.yaml")
    path.write_text(TASK)
    return path


def drawn(composer, target: str, out: str) -> str:
    done = composer("show", target, "--picture", out)
    assert (done.code, done.out) == (0, f"wrote {out}\n"), done.err
    return Path(out).read_text(encoding="utf-8")


def test_an_svg_shows_every_call_and_every_type(composer, pair: Path) -> None:
    root = ET.fromstring(drawn(composer, "pair.yaml:compare", "out.svg"))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert {"first", "second", "left", "right", "both", "calm", "states"} <= set(texts)
    assert texts.count("tokens[B, L]") == 2
    assert "encoder (shared by 2 calls)" in texts
    assert len(list(root.iter(f"{SVG}path"))) == 6 + 1  # six edges and the arrow head


def test_a_module_has_one_colour_in_all_tasks(composer, pair: Path) -> None:
    root = ET.fromstring(drawn(composer, "pair.yaml", "out.svg"))
    fills: dict[str, set[str]] = {}
    for group in root.iter(f"{SVG}g"):
        title = group.find(f"{SVG}title")
        if title is not None:
            name = title.text.split(": ")[1]
            fills.setdefault(name, set()).add(group.find(f"{SVG}rect").get("fill"))
    assert all(len(colours) == 1 for colours in fills.values())
    assert fills["encoder"] != fills["norm"]
    assert fills["core.concat"] == {"#ffffff"}


def test_a_page_holds_the_same_picture_and_names_the_document(composer, pair: Path) -> None:
    page = drawn(composer, "pair.yaml:compare", "out.html")
    svg = re.search(r"<svg.*</svg>\n", page, re.DOTALL)
    assert svg is not None
    assert svg[0] == drawn(composer, "pair.yaml:compare", "out.svg")
    assert "<h1>pair &amp; twin</h1>" in page
    assert "Compare &lt;two&gt; questions." in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_mermaid_is_printed(composer, pair: Path) -> None:
    done = composer("show", "pair.yaml:compare", "--picture", "mermaid")
    assert done.code == 0
    lines = [line.strip() for line in done.out.splitlines()]
    assert lines[0] == "flowchart TD"
    assert 't0n0(["first<br/>text"])' in lines
    assert 't0n2 -->|"first: states[B, L, 64]"| t0n4' in lines
    assert any(line.startswith("class t0n2,t0n3 ") for line in lines)


def test_a_picture_of_a_document_shows_all_its_tasks(composer, pair: Path) -> None:
    text = drawn(composer, "pair.yaml", "out.svg")
    assert text.count('class="title"') == 2


@pytest.mark.parametrize("target", ["out.png", "out", ".svg/"])
def test_a_name_that_is_no_picture_writes_nothing(composer, pair: Path, target: str) -> None:
    done = composer("show", "pair.yaml", "--picture", target)
    assert done.code == 1
    assert "is no picture" in done.err
    assert [path.name for path in Path().iterdir()] == ["pair.yaml"]


def test_an_objective_is_drawn_as_training(composer, pair: Path) -> None:
    pair.write_text(
        TASK.replace("      states: left.states\n", "      states: left.states\n")
        + "    objective:\n"
        + "      inputs:\n        target: {modality: array, with: {kind: classes, dims: [B]}}\n"
        + "      nodes:\n"
        + "        pooled: {uses: core.pool, inputs: {states: left.states}}\n"
        + "        scored: {call: head.scores, inputs: {embedding: pooled.embedding}}\n"
        + "        error: {uses: core.class_loss, inputs: {scores: scored.scores, classes: target.classes}}\n"
        + "      loss: error.loss\n"
    )
    pair.write_text(
        pair.read_text().replace("tasks:", "  head: {uses: core.linear, with: {output_dim: 3}}\ntasks:", 1)
    )
    text = drawn(composer, "pair.yaml:single", "out.svg")
    assert text.count('class="training"') == 5
