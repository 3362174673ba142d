"""The caption grammar, forth and back."""

from __future__ import annotations

import pytest
from composer_quickstart.captions import DIGITS, DIRECTIONS, digit_caption, read_digit_caption, shape_caption
from composer_quickstart.metrics import digit_accuracy, direction_accuracy, exact_match


def test_captions_read_as_the_documentation_says() -> None:
    assert shape_caption("blue", "rectangle") == "a blue rectangle"
    assert digit_caption(7, 5) == "a seven moves up and left"
    assert digit_caption(8, 0) == "an eight moves right"


@pytest.mark.parametrize("digit", range(10))
@pytest.mark.parametrize("direction", range(8))
def test_every_caption_is_read_back(digit: int, direction: int) -> None:
    read = read_digit_caption(digit_caption(digit, direction))
    assert read == (DIGITS[digit], DIRECTIONS[direction].words)


def test_directions_are_the_eight_neighbours() -> None:
    steps = {(motion.x, motion.y) for motion in DIRECTIONS}
    assert steps == {(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)} - {(0, 0)}
    for motion in DIRECTIONS:
        assert ("right" in motion.words) == (motion.x > 0)
        assert ("left" in motion.words) == (motion.x < 0)
        assert ("down" in motion.words) == (motion.y > 0)
        assert ("up" in motion.words) == (motion.y < 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (None, None)),
        ("a seven", ("seven", None)),
        ("a seven moves", ("seven", None)),
        ("a seven nine moves up", (None, "up")),
        ("a seven moves up up", ("seven", None)),
        ("moves down and left", (None, None)),
        ("a blob moves down and left", (None, "down and left")),
    ],
)
def test_broken_captions_count_for_what_they_say(text: str, expected: tuple[str | None, str | None]) -> None:
    assert read_digit_caption(text) == expected


def test_metrics_count_by_hand() -> None:
    references = ["a seven moves up", "an eight moves down and left", "a two moves left", "a one moves up"]
    predictions = ["a seven moves up", "a eight moves down and left", "a two moves right", "a nine moves"]
    assert exact_match(predictions, references) == 1 / 4
    assert digit_accuracy(predictions, references) == 3 / 4
    assert direction_accuracy(predictions, references) == 2 / 4


def test_saying_nothing_scores_nothing() -> None:
    assert digit_accuracy([""], ["a seven moves up"]) == 0.0
    assert direction_accuracy(["", "up"], ["a seven moves up"] * 2) == 0.0


def test_lists_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="argument 2"):
        exact_match(["a"], ["a", "b"])
