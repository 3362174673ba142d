"""The picture of a compile plan: engines, what falls back in part or wholly, and the host, each in its own colour."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest
import torch
from composer_compile.backends.contract import Support
from composer_compile.backends.export_builder import ExportBuilder
from composer_compile.errors import CompileError
from composer_compile.plan import planner
from composer_compile.plan.trace import trace
from torch import fx

from composer.cli import main

SVG = "{http://www.w3.org/2000/svg}"


class Box(NamedTuple):
    """A box of the picture: its fill, its second line and its tooltip."""

    colour: str
    line: str
    tooltip: str


def parts_of(path: Path) -> tuple[dict[str, str], dict[str, Box]]:
    """The legend, title to colour, and the boxes by name."""
    elements = list(ElementTree.parse(path).getroot())
    legend = {
        str(after.text): each.attrib["fill"]
        for each, after in pairwise(elements)
        if each.tag == f"{SVG}rect" and re.fullmatch(r"p\d+", each.attrib["class"])
    }
    boxes = {}
    for group in (each for element in elements for each in element.iter(f"{SVG}g")):
        if group.attrib.get("class") == "box":
            body = [each for each in group.iter(f"{SVG}rect") if each.attrib["class"] != "label"][-1]
            lines = [str(each.text) for each in group.iter(f"{SVG}text")]
            tooltip = str(next(group.iter(f"{SVG}title")).text)
            boxes[group.attrib["data-box"]] = Box(body.attrib["fill"], lines[-1], tooltip)
    return legend, boxes


@pytest.fixture
def partly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that takes nothing of very small nodes, and no layer norm where a sigmoid is (in vision)."""

    def support(self: ExportBuilder, graph: fx.GraphModule) -> Mapping[fx.Node, Support]:
        calls = [node for node in graph.graph.nodes if node.op == "call_function"]
        seeing = any(node.target is torch.ops.aten.sigmoid.default for node in calls)
        norm = torch.ops.aten.native_layer_norm.default
        return {
            node: Support(len(calls) > 5 and not (seeing and node.target is norm), "it is not liked")
            for node in calls
        }

    monkeypatch.setattr(ExportBuilder, "support", support)


@pytest.mark.usefixtures("partly")
def test_every_kind_of_node_has_its_own_colour(
    tiny: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "plan.svg"
    assert main(["compile", f"{tiny.document}:image-caption", "--plan", "--picture", str(out)]) == 0
    assert f"wrote {out}" in capsys.readouterr().err
    legend, boxes = parts_of(out)
    assert list(legend) == [
        "inputs",
        "adapter",
        "universal",
        "decoder",
        "falls back in part",
        "falls back",
        "host",
    ]
    assert len(set(legend.values())) == len(legend)
    assert {name: (box.colour, box.line) for name, box in boxes.items() if not name.startswith("out:")} == {
        "image": (legend["inputs"], "image · 1 engine"),
        "frames": (legend["falls back in part"], "vision.image · 6 of 116 fall back, 7 engines"),
        "visual/adapted": (legend["adapter"], "adapter · 1 engine"),
        "visual/gathered": (legend["universal"], "universal.vision · 1 engine"),
        "visual/visual": (legend["falls back"], "visual_norm · 3 of 3 fall back"),
        "description": (legend["decoder"], "generate decoder · 2 engines"),
        "spoken": (legend["host"], "mplug2.strip_prompt · on the host"),
    }
    assert "falls back: aten.native_layer_norm.default x 6, it is not liked" in boxes["frames"].tooltip
    assert re.search(
        r"visual_norm: 3 operations, 32 parameters, .* bytes of workspace", boxes["visual/visual"].tooltip
    )


def test_what_comes_after_a_node_that_cannot_be_compiled_is_not_planned(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(call: Any, keywords: Any, table: Any) -> Any:
        if "update" in keywords:
            raise CompileError("it looks at values")
        return trace(call, keywords, table)

    monkeypatch.setattr(planner, "trace", refusing)
    out = tmp_path / "plan.html"
    assert main(["compile", f"{tiny.document}:image-caption", "--plan", "--picture", str(out)]) == 0
    svg = tmp_path / "inside.svg"
    svg.write_text(re.search(r"<svg.*</svg>", out.read_text(), re.S)[0])  # type: ignore[index]
    legend, boxes = parts_of(svg)
    assert boxes["visual/visual"].colour == legend["falls back"]
    assert "falls back: the whole node x 1, it looks at values" in boxes["visual/visual"].tooltip
    assert {boxes[name].line for name in ("description", "spoken")} == {
        "generate decoder · not planned",
        "mplug2.strip_prompt · not planned",
    }
    assert legend["not planned"] == boxes["spoken"].colour


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--picture", "x.svg"], 2, "--picture belongs to --plan"),
        (["--json"], 2, "--json belongs to --plan"),
        ([], 2, "say where the artifact goes: --out"),
        (["--plan", "--picture", "x.gif"], 2, "write a name that ends in .svg, .html, .png or .pdf"),
    ],
)
def test_options_that_do_not_go_together(
    tiny: Any, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    try:
        found: Any = main(["compile", str(tiny.document), *arguments])
    except SystemExit as stop:
        found = stop.code
    assert found == code
    assert message in capsys.readouterr().err
