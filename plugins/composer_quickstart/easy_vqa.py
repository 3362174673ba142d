"""easy-VQA as samples: the official pictures, questions and answers, and captions derived from the answers.

Source: the package `easy-vqa` (V. Zhou, MIT licence): 5,000 pictures of one shape, 48,248 questions, 13 answers.
The official test split stays as it is; a seeded tenth of the training pictures is held out as `validation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from composer.problems import InputError
from composer_quickstart.captions import COLOURS, SHAPES, shape_caption

if TYPE_CHECKING:
    from composer_quickstart.configs import EasyVqaConfig

__all__ = ["EasyVqaCaptions", "EasyVqaQuestions", "attributes"]

Question = tuple[str, str, int]
"""Question, answer, and the index of the picture."""

NEGATIONS = frozenset({"not", "no"})


class EasyVqaQuestions:
    """Samples `{image: uint8[64, 64, 3], question, answer}`, the questions of one picture next to each other.

    Samples of one picture hold the same array object, so that a training loop can encode the picture once.
    """

    splits = ("train", "validation", "test")

    def __init__(self, config: EasyVqaConfig) -> None:
        self._config = config

    def samples(self, split: str, epoch: int = 0) -> list[Mapping[str, Any]]:
        """All samples of a split; every epoch has the same ones."""
        chosen = _pictures_of(split, self._config)
        source = _source(_part(split))
        ordered = sorted((q for q in source.questions if q[2] in chosen), key=lambda question: question[2])
        return [
            {"image": source.pictures[image], "question": question, "answer": answer}
            for question, answer, image in ordered
        ]


class EasyVqaCaptions:
    """Samples `{image: uint8[64, 64, 3], caption}` of the pictures whose questions settle both shape and colour."""

    splits = ("train", "validation", "test")

    def __init__(self, config: EasyVqaConfig) -> None:
        self._config = config

    def samples(self, split: str, epoch: int = 0) -> list[Mapping[str, Any]]:
        """All samples of a split; every epoch has the same ones."""
        chosen = _pictures_of(split, self._config)
        source = _source(_part(split))
        found = attributes(source.questions)
        return [
            {"image": source.pictures[image], "caption": shape_caption(colour, shape)}
            for image, (shape, colour) in sorted(found.items())
            if image in chosen and shape is not None and colour is not None
        ]


class _Source:
    """One part of the package, read once: pictures by index, and the questions."""

    def __init__(self, part: str) -> None:
        try:
            import easy_vqa
            from PIL import Image
        except ModuleNotFoundError as error:
            raise InputError(
                f"the easy-VQA data needs the package {error.name!r}; install multimodal-composer[train]"
            ) from error
        paths = getattr(easy_vqa, f"get_{part}_image_paths")()
        self.pictures = {i: np.asarray(Image.open(path).convert("RGB")) for i, path in sorted(paths.items())}
        self.questions: list[Question] = list(zip(*getattr(easy_vqa, f"get_{part}_questions")(), strict=True))


_source = lru_cache(maxsize=None)(_Source)


def _part(split: str) -> str:
    return "test" if split == "test" else "train"


def _pictures_of(split: str, config: EasyVqaConfig) -> frozenset[int]:
    if split not in EasyVqaQuestions.splits:
        raise InputError(f"easy-VQA has no split {split!r}; it has {', '.join(EasyVqaQuestions.splits)}")
    pictures = sorted(_source(_part(split)).pictures)
    if split == "test":
        return frozenset(pictures[: config.pictures])
    order = np.random.default_rng(config.seed).permutation(pictures)
    held_out = round(len(order) * config.validation)
    part = order[:held_out] if split == "validation" else order[held_out:]
    return frozenset(part[: config.pictures].tolist())


def attributes(questions: Iterable[Question]) -> dict[int, tuple[str | None, str | None]]:
    """Shape and colour of each picture, as far as its own questions and answers settle them; None where they do not.

    An answer to "what" names the value; a question such as "what is the blue shape?" presupposes it; yes and no,
    turned round by "not" or "no", leave one value or strike one out.
    """
    shapes: dict[int, set[str]] = {}
    colours: dict[int, set[str]] = {}
    for question, answer, image in questions:
        words = set(re.findall(r"\w+", question.lower()))
        for possible, values in ((shapes, SHAPES), (colours, COLOURS)):
            left = possible.setdefault(image, set(values))
            _narrow(left, words, answer)
    return {image: (_only(shapes[image]), _only(colours[image])) for image in shapes}


def _narrow(left: set[str], words: set[str], answer: str) -> None:
    """Keep in `left` what one question with its answer allows."""
    everything = frozenset(SHAPES + COLOURS)
    named = words & everything
    if answer in ("yes", "no"):
        present = (answer == "yes") != bool(words & NEGATIONS)
        for word in named & left:
            if present:
                left.intersection_update({word})
            else:
                left.discard(word)
        return
    for word in (named | {answer}) & left:
        left.intersection_update({word})


def _only(values: set[str]) -> str | None:
    return next(iter(values)) if len(values) == 1 else None
