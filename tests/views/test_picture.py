"""`composer show --picture`: what is drawn, and that nothing runs into anything."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from views_demo import DOCUMENT

from composer.graph import Checked, check
from composer.plugin import Registry
from composer.views.picture import html_text, mermaid_text, svg_text
from composer.views.picture.arranging import arrange
from composer.views.picture.layering import layered
from composer.views.picture.ordering import crossings, order_rows
from composer.views.picture.placing import Placed, Rect, box_width, place, text_width
from composer.views.picture.scene import Band, Box, Link, Scene, scenes_of

Check = Callable[..., Checked]
SVG = "{http://www.w3.org/2000/svg}"


def points_of(route: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Points along a route as it is drawn: lines through rows, cubic curves with level middles between them."""
    for index, ((x, y), (to_x, to_y)) in enumerate(pairwise(route)):
        for step in range(41):
            t = step / 40
            if index % 2 == 0:
                yield x + (to_x - x) * t, y + (to_y - y) * t
            else:
                middle = (y + to_y) / 2
                a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
                yield (a + b) * x + (c + d) * to_x, a * y + (b + c) * middle + d * to_y


def apart(one: Rect, other: Rect) -> bool:
    return one.right <= other.x or other.right <= one.x or one.bottom <= other.y or other.bottom <= one.y


def inside(x: float, y: float, rect: Rect) -> bool:
    return rect.x < x < rect.right and rect.y + 0.01 < y < rect.bottom - 0.01


def assert_clear(placed: Placed) -> None:
    """No two boxes or labels overlap, no edge touches one that is not its own end, and text fits its box."""
    whole = [*placed.boxes.values(), *placed.below.values()]
    for index, one in enumerate(whole):
        assert all(apart(one, other) for other in whole[index + 1 :])
        assert one.x >= 0
        assert one.right <= placed.width
        assert one.bottom <= placed.height
    for link, route in zip(placed.scene.links, placed.routes, strict=True):
        for x, y in points_of(route):
            assert not any(inside(x, y, rect) for rect in whole), (link, x, y)
    for name, box in placed.scene.boxes.items():
        rect = placed.boxes[name]
        assert text_width(box.title, 13) <= rect.width
        assert text_width(box.subtitle, 11) <= rect.width
        for port in box.above:
            assert rect.x <= placed.above[name, port] <= rect.right
    for band, rect in zip(placed.scene.bands, placed.bands, strict=True):
        for name in band.boxes:
            assert rect.y <= placed.boxes[name].y
            assert placed.boxes[name].bottom <= rect.bottom


@pytest.mark.parametrize("name", ["mplug2", "mplug2-base"])
def test_nothing_runs_into_anything_in_shipped_documents(name: str, registry: Registry) -> None:
    for scene in scenes_of(check(name, registry=registry)):
        assert_clear(place(scene))


def test_the_full_video_qa_task_has_no_crossing(registry: Registry) -> None:
    scene = scenes_of(check("mplug2", registry=registry), ["video-qa"])[0]
    layout = layered(scene)
    order_rows(layout)
    for index in range(len(layout.rows) - 1):
        edges = [
            (path[at], path[at + 1])
            for path in layout.paths
            for at in range(len(path) - 1)
            if path[at] in layout.rows[index] and path[at + 1] in layout.rows[index + 1]
        ]
        assert crossings(layout.rows[index], layout.rows[index + 1], edges) == 0


def random_scene(seed: int) -> Scene:
    """A graph of 30 boxes with long edges, several ports and names of any length, in three bands."""
    choose = random.Random(seed)
    names = ["n" * choose.randint(1, 24) + str(index) for index in range(30)]
    bands = [
        Band("inputs", tuple(names[:4])),
        Band("encode", tuple(names[4:24]), stage=True),
        Band("outputs", tuple(names[24:])),
    ]
    boxes = {name: Box(name, "module", name, "callee" * choose.randint(1, 3)) for name in names}
    links = []
    for index, name in enumerate(names[4:], 4):
        limit = min(index, 24)
        for number in range(choose.randint(1, 3)):
            source, port = names[choose.randrange(limit)], f"port{choose.randint(0, 1)}"
            boxes[source].below[port] = f"{port}: states[B, {choose.randint(1, 10**6)}]"
            boxes[name].above.append(f"in{number}")
            links.append(Link(source, port, name, f"in{number}", ""))
    return Scene("random", "", boxes, links, bands)


@pytest.mark.parametrize("seed", range(12))
def test_nothing_runs_into_anything_in_random_graphs(seed: int) -> None:
    scene = random_scene(seed)
    placed = place(scene)
    assert_clear(placed)
    assert all(placed.boxes[link.source].bottom < placed.boxes[link.target].y for link in scene.links)
    assert all(placed.boxes[name].width == box_width(box) for name, box in scene.boxes.items())


def test_crossings_are_counted_as_pairs_of_edges() -> None:
    upper, lower = [(name, 0) for name in "abc"], [(name, 0) for name in "xyz"]

    def counted(*edges: str) -> int:
        return crossings(upper, lower, [((edge[0], 0), (edge[1], 0)) for edge in edges])

    assert counted("ax", "by", "cz") == 0
    assert counted("az", "by", "cx") == 3
    assert counted("ax", "ay", "bx") == 1
    assert counted("ay", "by") == 0


def fills(svg: str, *titles: str) -> list[str]:
    """The colour of the boxes of these nodes."""
    root = ElementTree.fromstring(svg)
    found = {}
    for box in root.iter(f"{SVG}g"):
        if box.get("class") == "box":
            rects = [rect for rect in box.iter(f"{SVG}rect") if rect.get("class") != "label"]
            found[box.get("data-box")] = rects[0].get("fill")
    return [str(found[title]) for title in titles]


def test_calls_of_one_module_have_one_colour(small: Checked) -> None:
    visual, language, frames, words = fills(
        svg_text(small, ["video-qa"]), "visual", "language", "frames", "words"
    )
    assert visual == language
    assert len({visual, frames, words}) == 3


def test_a_module_keeps_its_colour_in_the_picture_of_another_task(small: Checked) -> None:
    assert fills(svg_text(small, ["video-qa"]), "frames", "visual") == fills(
        svg_text(small, ["video-vector"]), "frames", "visual"
    )


def test_the_legend_names_who_shares_what(small: Checked) -> None:
    texts = [
        element.text for element in ElementTree.fromstring(svg_text(small, ["video-qa"])).iter(f"{SVG}text")
    ]
    assert "demo.shared, 2 calls, shared with 1 other task" in texts
    assert "demo.fusion" in texts
    assert {"encode", "decode", "inputs", "outputs", "states[B, L + 17, 64]", "tokens[B, L]"} <= set(texts)


def test_a_box_tells_its_shapes_and_its_line(small: Checked) -> None:
    titles = [element.text for element in ElementTree.fromstring(svg_text(small)).iter(f"{SVG}title")]
    line = next(i for i, text in enumerate(DOCUMENT.splitlines(), 1) if text.strip().startswith("fused:"))
    assert (
        "node fused: demo.fusion, called as fusion\ntakes text: states[B, L, 64]\ntakes vision: states[B, 17, 64]\n"
        f"gives text: states[B, L, 64]\ngives vision: states[B, 17, 64]\ndoc.yaml:{line}"
    ) in titles


def hostile(checked: Check) -> Checked:
    text = DOCUMENT.replace("name: small", 'name: "<script>alert(1)</script> & \\"co\\" ]]> \\e[31m"')
    return checked(text.replace("Answer a question", "Answer </svg> <b>any</b> & a question"))


def test_all_text_is_escaped(checked: Check) -> None:
    report = hostile(checked)
    root = ElementTree.fromstring(svg_text(report))  # well-formed XML in spite of everything
    assert not list(root.iter(f"{SVG}script"))
    assert any("<script>alert(1)</script>" in (element.text or "") for element in root.iter(f"{SVG}text"))
    page = html_text(report.name, svg_text(report))
    assert page.count("<script>") == 1
    assert "alert(1)</script>" not in page
    assert "\x1b" not in page


def test_the_page_loads_nothing_from_elsewhere(small: Checked) -> None:
    page = html_text(small.name, svg_text(small)).replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|src=|href=|@import|url\((?!#)", page)
    assert "prefers-color-scheme: dark" in page


def test_mermaid_draws_stages_types_and_shared_modules(small: Checked) -> None:
    lines = [line.strip() for line in mermaid_text(small, ["video-vector"]).splitlines()]
    assert lines == [
        "flowchart TB",
        'n0(["video<br>video"])',
        'subgraph t0s1["encode"]',
        'n1["frames<br>vision"]',
        'n2["visual<br>universal.vision"]',
        'n3["scaled<br>scale"]',
        'n4[/"vector<br>core.pool"/]',
        "end",
        'n5(["vector<br>output"])',
        'n0 -->|"pixels#91;B, 3, 4, 32, 32#93;"| n1',
        'n1 -->|"states#91;B, 17, 64#93;"| n2',
        'n2 -->|"states#91;B, 17, 64#93;"| n3',
        'n3 -->|"states#91;B, 17, 64#93;"| n4',
        'n4 -->|"embedding#91;B, 64#93;"| n5',
        "classDef m0 fill:#c3dbf4,stroke:#235c95,color:#1b2027",
        "class n1 m0",
        "classDef m1 fill:#f4dac3,stroke:#955823,color:#1b2027",
        "class n2 m1",
        "classDef m5 fill:#f4c3d7,stroke:#952352,color:#1b2027",
        "class n3 m5",
    ]


def test_mermaid_text_cannot_leave_its_quotes(checked: Check) -> None:
    text = mermaid_text(hostile(checked))
    labels = re.findall(r'"([^"\n]*)"', text)
    assert text.count('"') == 2 * len(labels)
    assert not any(set(label.replace("<br>", "")) & set('<>[]{}|"`') for label in labels)


def test_the_legend_lists_only_what_is_drawn(small: Checked) -> None:
    """In the picture of one task, no other task is named; every module of it has a colour and an entry."""
    root = ElementTree.fromstring(svg_text(small, ["video-vector"]))
    legend = {str(text.text) for text in root.findall(f"{SVG}text")}
    assert {"vision", "universal", "scale"} <= legend
    assert not any("video-qa" in text for text in legend)
    assert not {"text", "fusion", "decoder"} & legend
    boxes = fills(svg_text(small, ["video-vector"]), "frames", "visual", "scaled")
    assert len(set(boxes)) == 3


def test_a_picture_says_what_is_frozen_adapted_averaged_and_where_weights_come_from() -> None:
    from composer.language import Source

    document = """
composer: 1
name: adapted
modules:
  text:
    uses: mplug2.text_encoder
    with: {hidden: 64, heads: 4, layers: 1}
    freeze: true
    weights: folder-of-published-weights/text.safetensors
    adapters: {titles: {with: {rank: 2, targets: [query]}}}
  head: {uses: core.linear, with: {input_dim: 64, output_dim: 64}, freeze: [bias], weights: fresh}
  slow: {average_of: head, with: {momentum: 0.9}}
tasks:
  title:
    inputs: {title: {modality: text, with: {tokenizer: bert-uncased}}}
    nodes:
      words: {call: text, adapter: titles, inputs: title}
      shown: {call: head, inputs: words}
      calm: {call: slow, inputs: words}
    outputs: {states: shown, calm: calm}
"""
    report = check(Source("adapted.yaml", document)).raise_for_errors()
    assert mermaid_text(report).splitlines()[3:6] == [
        '    n1["words<br>text+titles<br>frozen #183; weights: folder-of-published-#8230;"]',
        '    n2["shown<br>head<br>frozen: bias #183; weights: fresh"]',
        '    n3["calm<br>slow<br>average of head, momentum 0.9"]',
    ]
    root = ElementTree.fromstring(svg_text(report))
    legend = [str(text.text) for text in root.findall(f"{SVG}text")]
    weights = "weights: folder-of-published-weights/text.safetensors"
    assert f"mplug2.text_encoder; frozen; adapters: titles; {weights}" in legend
    assert "adapter titles: rank 2, targets [query]" in svg_text(report)
    box = next(box for scene in scenes_of(report) for box in scene.boxes.values() if box.name == "words")
    assert box_width(box) >= text_width(box.note, 0)


@pytest.mark.parametrize(
    "sizes",
    [
        [(545.0, 1000.0)] * 2 + [(690.0, 1000.0)] * 2 + [(370.0, 900.0)] * 2,
        [(400.0, 700.0)] * 30,
        [(3000.0, 400.0), (300.0, 400.0), (300.0, 400.0)],
        [(500.0, 800.0)],
    ],
)
def test_tasks_fill_their_page(sizes: list[tuple[float, float]]) -> None:
    """Tasks keep their order, never overlap, and most of the page is theirs."""
    page = arrange(sizes)
    placed = [Rect(x, y, width, height) for (x, y), (width, height) in zip(page.corners, sizes, strict=True)]
    assert all(apart(one, other) for index, one in enumerate(placed) for other in placed[index + 1 :])
    assert list(page.corners) == sorted(page.corners, key=lambda corner: (corner[1], corner[0]))
    assert all(rect.right <= page.width and rect.bottom <= page.height for rect in placed)
    covered = sum(width * height for width, height in sizes)
    assert covered > 0.5 * page.width * page.height
