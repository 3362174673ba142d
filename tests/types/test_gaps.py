"""The one number by which tensors are compared: what is equal, what is a miss."""

from __future__ import annotations

import math

import pytest
import torch

from composer.types.gaps import gap

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("ours", "theirs", "absolute", "fine"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0, True),
        ([1.0, 2.5], [1.0, 2.0], 0.5, False),
        ([INF, -INF, 1.0], [INF, -INF, 1.0], 0.0, True),  # masks and unused beams
        ([INF, -INF], [INF, -INF], INF, False),  # no answer at all
        ([1.0], [INF], INF, False),
        ([INF], [1.0], INF, False),
        ([INF], [-INF], INF, False),
        ([NAN], [1.0], INF, False),
        ([1.0], [NAN], INF, False),
        ([NAN], [NAN], INF, False),
        ([NAN, 1.0], [1.0, 1.0], INF, False),
        ([], [], 0.0, True),
    ],
)
def test_infinities_and_nan(ours: list[float], theirs: list[float], absolute: float, fine: bool) -> None:
    found = gap(torch.tensor(ours), torch.tensor(theirs), absolute=0.1, relative=0.1)
    assert (found.absolute, found.fine) == (absolute, fine)
    assert math.isfinite(found.scale)


def test_tolerances_are_those_of_each_value() -> None:
    ours, theirs = torch.tensor([100.0, 1.0]), torch.tensor([101.0, 1.0])
    assert gap(ours, theirs, relative=0.01).fine
    assert not gap(ours, theirs, relative=0.009).fine
    assert gap(ours, theirs, absolute=1.0).fine
    assert gap(ours, theirs).scale == 101
    assert gap(ours, theirs).scaled == pytest.approx(1 / 101)


def test_an_infinity_gives_no_tolerance_to_others() -> None:
    assert not gap(torch.tensor([1.0, INF]), torch.tensor([2.0, INF]), relative=0.1).fine


def test_tensors_of_two_shapes_never_agree() -> None:
    """Not even where one could be repeated to fit."""
    found = gap(torch.ones(1, 2), torch.ones(3, 2), absolute=INF)
    assert (found.verdict, found.fine, found.absolute, found.scaled) == ("shape", False, INF, INF)


def test_whole_numbers_agree_where_they_are_equal() -> None:
    ids = torch.tensor([30521, 7])
    assert gap(ids, ids, relative=0.1).verdict == "ok"
    assert gap(ids + 1, ids, absolute=2.0, relative=0.1).verdict == "differs"


def test_every_number_format_is_taken() -> None:
    for dtype in (torch.bool, torch.uint8, torch.int64, torch.float16, torch.bfloat16):
        ones = torch.ones(2, dtype=dtype)
        assert gap(ones, ones).fine
        assert gap(ones, torch.zeros(2, dtype=dtype)).absolute == 1
