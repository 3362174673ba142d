"""What the benchmarks of artifacts compile: the quick start with its weights, and mPLUG-2 (base) with random ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.by_hand import BASE, QUESTION, TINY, image_qa, video_qa

__all__ = ["MANY", "Subject", "base", "quickstart"]

EXAMPLES = Path(__file__).parents[1] / "examples"
CLIP, PICTURE = str(EXAMPLES / "media" / "cyclist.mp4"), str(EXAMPLES / "media" / "cat.jpg")
ANSWERS = ["yes", "no", "a man", "a box", "two", "red", "a street", "the sun"]
MANY: dict[str, dict[str, Any]] = {
    "video-qa": {"video": CLIP, "question": QUESTION},
    "image-qa": {"image": PICTURE, "question": QUESTION},
    "video-caption": {"video": CLIP},
    "image-caption": {"image": PICTURE},
    "video-qa-rank": {"video": CLIP, "question": QUESTION, "answers": ANSWERS},
    "image-qa-rank": {"image": PICTURE, "question": QUESTION, "answers": ANSWERS},
}
"""A request to every task of mPLUG-2; the first one, three and six are compiled together."""


@dataclass(frozen=True)
class Subject:
    """A document with one task that is timed, at batch 1."""

    document: str
    task: str
    raw: Mapping[str, Any]
    forward: Callable[[Any, Any], Callable[[], Any]]
    """The encoding of the task by hand: of a runner and its tensors."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    ranges: Mapping[str, str] = field(default_factory=lambda: {"batch": "1..1"})


def quickstart() -> Subject:
    picture = str(EXAMPLES / "quickstart" / "picture.png")
    raw = {"image": picture, "question": "what is the blue shape?"}
    return Subject("quickstart", "image-qa", raw, image_qa)


def base(*, tiny: bool) -> Subject:
    """Every answer has 10 tokens: random weights end none of their own accord."""
    return Subject(
        "mplug2-base",
        "video-qa",
        MANY["video-qa"],
        video_qa,
        settings={**(TINY if tiny else BASE), "rank_top": 4},
        ranges={"batch": "1..1", "question.length": "2..16, best 16"},
    )
