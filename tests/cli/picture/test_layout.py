"""Places: rows follow the flow, nothing covers anything, and lines do not cross where they need not."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.cli.picture.drawing import Box, Drawing, Edge
from composer.cli.picture.layout import BOX_HEIGHT, LABEL_HEIGHT, Layout, lay_out


def drawing(*edges: tuple[str, str]) -> Drawing:
    names = sorted({name for edge in edges for name in edge})
    boxes = tuple(Box(name, name, "module", "call", "module") for name in names)
    return Drawing("task", "", boxes, tuple(Edge(a, b, f"states[B, {a}, 64]") for a, b in edges))


def frames_of(layout: Layout) -> dict[str, tuple[float, float, float, float]]:
    """Left, top, right and bottom of every box and label."""
    frames = {}
    for key, spot in layout.spots.items():
        if spot.box is not None or spot.label is not None:
            height = BOX_HEIGHT if spot.box is not None else LABEL_HEIGHT
            frames[key] = (
                spot.x - spot.width / 2,
                spot.y - height / 2,
                spot.x + spot.width / 2,
                spot.y + height / 2,
            )
    return frames


def assert_sound(layout: Layout) -> None:
    frames = frames_of(layout)
    for (_, a), (_, b) in combinations(frames.items(), 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    for left, top, right, bottom in frames.values():
        assert 0 <= left < right <= layout.width
        assert 0 <= top < bottom <= layout.height
    for edge, keys in layout.paths:
        heights = [layout.spots[key].y for key in keys]
        assert heights == sorted(heights)
        assert (keys[0], keys[-1]) == (edge.source, edge.target)
        assert sum(layout.spots[key].label is edge for key in keys) == 1


@st.composite
def acyclic(draw: st.DrawFn) -> list[tuple[str, str]]:
    size = draw(st.integers(2, 9))
    pairs = [(f"n{i}", f"n{j}") for i in range(size) for j in range(i + 1, size)]
    return draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=14))


@settings(deadline=None, max_examples=60)
@given(acyclic())
def test_nothing_covers_anything_and_every_edge_runs_down(edges: list[tuple[str, str]]) -> None:
    assert_sound(lay_out(drawing(*edges)))


def test_a_chain_stands_upright() -> None:
    layout = lay_out(drawing(("a", "b"), ("b", "c"), ("c", "d")))
    columns = {round(spot.x) for spot in layout.spots.values()}
    assert len(columns) == 1


def test_a_late_input_stands_beside_its_reader() -> None:
    layout = lay_out(drawing(("a", "b"), ("b", "c"), ("c", "d"), ("late", "d")))
    assert layout.spots["late"].row == layout.spots["c"].row


@pytest.mark.parametrize(
    "edges",
    [
        [("a", "y"), ("b", "x"), ("x", "end"), ("y", "end")],
        [("v", "f"), ("q", "w"), ("w", "f"), ("v", "m"), ("f", "m"), ("m", "e")],
    ],
)
def test_lines_do_not_cross_where_they_need_not(edges: list[tuple[str, str]]) -> None:
    layout = lay_out(drawing(*edges))
    for (_, first), (_, second) in combinations(layout.paths, 2):
        for a, b in pairwise(first):
            for c, d in pairwise(second):
                above, below = layout.spots[a], layout.spots[b]
                other_above, other_below = layout.spots[c], layout.spots[d]
                if above.row == other_above.row and a != c and b != d:
                    assert (above.x < other_above.x) == (below.x < other_below.x)


def test_a_long_chain_with_many_side_ways_is_laid_out() -> None:
    edges = [(f"n{i:03}", f"n{i + 1:03}") for i in range(60)] + [
        (f"n{i:03}", f"n{i + 2:03}") for i in range(0, 58, 3)
    ]
    assert_sound(lay_out(drawing(*edges)))
