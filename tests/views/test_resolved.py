"""`composer show --resolved`: the merged document with the origin of every value."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from composer.graph import Checked, check
from composer.language import Source
from composer.plugin import Registry
from composer.views import resolved_text

PARENT = """\
composer: 1
name: parent
parameters: {width: 64, how: mean, odd: "$x"}
modules:
  narrow: {uses: core.linear, with: {input_dim: $width, output_dim: 32}}
  wide:   {uses: core.linear, with: {input_dim: 32, output_dim: $width}}
tasks:
  embed:
    summary: "Yes: #1, \\"quoted\\"\\nin two lines"
    inputs: {states: {modality: array, with: {kind: states, dims: [B, N, $width]}}}
    nodes:
      small:  {call: narrow, inputs: states.states}
      large:  {call: wide, inputs: small.states}
      vector: {uses: core.pool, inputs: large.states, with: {how: $how}}
    outputs: {vector: vector.embedding}
  other:
    inputs: {states: {modality: array, with: {kind: states, dims: [B, N, 64]}}}
    nodes: {small: {call: narrow, inputs: states.states}}
    outputs: {states: small.states}
"""

CHILD = """\
composer: 1
name: child
extends: parent.yaml
parameters:
  how: max
modules:
  narrow: {with: {output_dim: 16}}
  wide: {with: {input_dim: 16}}
tasks:
  other: null
"""


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: Registry) -> Checked:
    monkeypatch.chdir(tmp_path)
    Path("parent.yaml").write_text(PARENT)
    Path("child.yaml").write_text(CHILD)
    return check("child.yaml", registry=registry, settings={"width": 48}).raise_for_errors()


def origins(text: str) -> list[tuple[str, str]]:
    """(value, origin) of every line that has one."""
    return [(a.strip(), b) for a, _, b in (line.rpartition("  # ") for line in text.splitlines()) if a]


def test_every_value_names_the_file_and_line_that_set_it(child: Checked) -> None:
    found = origins(resolved_text(child.document))
    assert ("name: child", "child.yaml:2") in found
    assert ("output_dim: 16", "child.yaml:7") in found
    assert ("uses: core.linear", "parent.yaml:5") in found
    assert ("how: max", "child.yaml:5") in found
    assert ("how: max", "parent.yaml:14, $how from child.yaml:5") in found
    assert ("width: 48", "--set (default 64 at parent.yaml:3)") in found
    assert ("input_dim: 48", "parent.yaml:5, $width from --set") in found
    assert ("- 48", "parent.yaml:10, $width from --set") in found


def test_origins_stand_in_one_column(child: Checked) -> None:
    lines = resolved_text(child.document).splitlines()
    assert lines[0] == "# child.yaml, extending parent.yaml"
    columns = {line.index("  # ") for line in lines if "  # " in line and len(line.split("  # ")[0]) < 60}
    assert len(columns) == 1


def test_the_text_is_a_document_that_means_the_same(child: Checked, registry: Registry) -> None:
    text = resolved_text(child.document)
    again = check(Source("again.yaml", text), registry=registry)
    assert not again.errors
    assert child.document is not None
    assert again.document is not None
    assert again.document.shape.modules == child.document.shape.modules
    assert again.document.shape.tasks == child.document.shape.tasks
    assert resolved_text(again.document).splitlines()[3].split("#")[0].strip() == "width: 48"


@pytest.mark.parametrize("name", ["mplug2", "mplug2-base"])
def test_shipped_documents_come_back_the_same(name: str, registry: Registry) -> None:
    report = check(name, registry=registry)
    assert report.document is not None
    again = check(Source("again.yaml", resolved_text(report.document)), registry=registry)
    assert not again.errors
    assert again.document is not None
    assert again.document.shape.modules == report.document.shape.modules
    assert again.document.shape.tasks == report.document.shape.tasks


def test_one_task_leaves_out_the_rest(child: Checked, registry: Registry) -> None:
    report = check("parent.yaml", registry=registry)
    assert report.document is not None
    found = yaml.safe_load(resolved_text(report.document, task="other"))
    assert list(found["tasks"]) == ["other"]
    assert list(found["modules"]) == ["narrow"]


ODD = """\
composer: 1
name: odd
parameters: {one: "1", on: "on", null_text: "null", hash: "a # b", list: [1, "2", {a: "b: c"}],
  text: "$money", size: .inf}
modules:
  m:
    uses: demo.shared
    with: {a: $one, b: $on, c: $null_text, d: $hash, e: $list, f: $text, g: $$plain, h: 0x10, i: "0x10", j: ~, k: $size,
           l: "1e3", m: 1e3, "n o": &x [1, 2], p: *x, q: {}, r: []}
"""


def test_values_of_every_kind_survive(registry: Registry) -> None:
    """Text that looks like a number stays text, a literal dollar stays one, an alias is written out."""
    report = check(Source("odd.yaml", ODD), registry=registry)
    assert report.document is not None
    text = resolved_text(report.document)
    again = check(Source("again.yaml", text), registry=registry)
    assert again.document is not None
    assert again.document.shape.modules["m"].with_ == report.document.shape.modules["m"].with_
    assert report.document.shape.modules["m"].with_["f"] == "$money"
