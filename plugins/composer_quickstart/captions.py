"""The caption grammar of the quick start data: shapes in easy-VQA pictures, and moving digits. Torch-free."""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "COLOURS",
    "DIGITS",
    "DIRECTIONS",
    "SHAPES",
    "Motion",
    "digit_caption",
    "read_digit_caption",
    "shape_caption",
]

SHAPES = ("circle", "rectangle", "triangle")
COLOURS = ("black", "blue", "brown", "gray", "green", "red", "teal", "yellow")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class Motion(NamedTuple):
    """A direction in words, and its step in pixels: x grows to the right, y grows downwards."""

    words: str
    x: int
    y: int


DIRECTIONS = (
    Motion("right", 1, 0),
    Motion("down and right", 1, 1),
    Motion("down", 0, 1),
    Motion("down and left", -1, 1),
    Motion("left", -1, 0),
    Motion("up and left", -1, -1),
    Motion("up", 0, -1),
    Motion("up and right", 1, -1),
)


def shape_caption(colour: str, shape: str) -> str:
    """`"a blue rectangle"`."""
    return f"a {colour} {shape}"


def digit_caption(digit: int, direction: int) -> str:
    """`"a seven moves up and left"`; `direction` is an index into `DIRECTIONS`."""
    name = DIGITS[digit]
    article = "an" if name == "eight" else "a"
    return f"{article} {name} moves {DIRECTIONS[direction].words}"


def read_digit_caption(caption: str) -> tuple[str | None, str | None]:
    """The digit's name and the direction's words that a caption states, None for what it does not say.

    Made for the words of a model, which may break the grammar: everything after `moves` is the direction, and the
    digit is the only digit word before it.
    """
    subject, _, direction = caption.lower().partition(" moves ")
    named = [word for word in subject.split() if word in DIGITS]
    known = direction.strip() in {motion.words for motion in DIRECTIONS}
    return (named[0] if len(named) == 1 else None), (direction.strip() if known else None)
