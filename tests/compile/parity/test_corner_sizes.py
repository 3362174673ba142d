"""The corners of the ranges of a task at which compiled and live programs are compared."""

from __future__ import annotations

import pytest
from composer_compile.artifact.manifest import RangeEntry
from composer_compile.parity.corner_samples import corner_sizes


@pytest.mark.parametrize(
    ("ranges", "points"),
    [
        ({}, 1),
        ({"a": (3, 3, 3)}, 1),
        ({"a": (1, 2, 4)}, 3),
        ({"a": (1, 2, 4), "b": (5, 5, 5), "c": (1, 1, 2)}, 5),
        ({"a": (1, 2, 4), "b": (1, 4, 4), "c": (1, 1, 2)}, 9),
        ({"a": (1, 2, 4), "b": (1, 2, 4), "c": (1, 2, 4), "d": (1, 2, 4)}, 7),
    ],
)
def test_corners(ranges: dict[str, tuple[int, int, int]], points: int) -> None:
    spans = {name: RangeEntry(low=low, best=best, high=high) for name, (low, best, high) in ranges.items()}
    found = corner_sizes(spans)
    assert len(found) == points
    assert found[0] == {name: low for name, (low, _, _) in ranges.items()}
    assert {name: high for name, (_, _, high) in ranges.items()} in found
    assert {name: best for name, (_, best, _) in ranges.items()} in found


def test_a_corner_of_very_many_tokens_is_compared_as_far_as_a_machine_can() -> None:
    """A language model reads thousands of tokens, and attention over all of them takes the better part of an hour."""
    spans = {
        "batch": RangeEntry(low=1, best=1, high=8),
        "prompt.length": RangeEntry(low=1, best=16, high=8112),
    }
    assert corner_sizes(spans) == [
        {"batch": 1, "prompt.length": 1},
        {"batch": 1, "prompt.length": 16},
        {"batch": 8, "prompt.length": 253},
        {"batch": 1, "prompt.length": 2028},
        {"batch": 8, "prompt.length": 1},
    ]
    best = {"prompt.length": RangeEntry(low=1, best=4000, high=8000)}
    assert corner_sizes(best)[-1] == {"prompt.length": 4000}
