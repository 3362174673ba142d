"""easy-VQA as samples: official test split, a held-out part of training, captions that follow from the answers."""

from __future__ import annotations

import re

import numpy as np
import pytest
from composer_quickstart.captions import COLOURS, SHAPES
from composer_quickstart.configs import EasyVqaConfig
from composer_quickstart.easy_vqa import EasyVqaCaptions, EasyVqaQuestions, attributes

from composer.problems import InputError

easy_vqa = pytest.importorskip("easy_vqa", reason="needs multimodal-composer[train]")


def keys(samples: list) -> set[bytes]:
    return {sample["image"].tobytes() for sample in samples}


def test_the_official_splits_are_kept() -> None:
    data = EasyVqaQuestions(EasyVqaConfig())
    train, validation, test = (data.samples(split) for split in data.splits)
    questions, answers, _ = easy_vqa.get_test_questions()
    assert len(test) == len(questions) == 9673
    assert sorted((s["question"], s["answer"]) for s in test) == sorted(zip(questions, answers, strict=True))
    assert len(train) + len(validation) == 38575
    assert len({id(s["image"]) for s in train}) == 3600
    assert len({id(s["image"]) for s in validation}) == 400


def test_no_training_picture_is_held_out_too() -> None:
    for data in (EasyVqaQuestions(EasyVqaConfig()), EasyVqaCaptions(EasyVqaConfig())):
        objects = {split: {id(s["image"]) for s in data.samples(split)} for split in ("train", "validation")}
        assert not objects["train"] & objects["validation"]
    questions, captions = EasyVqaQuestions(EasyVqaConfig()), EasyVqaCaptions(EasyVqaConfig())
    assert {id(s["image"]) for s in captions.samples("train")} <= {
        id(s["image"]) for s in questions.samples("train")
    }


def test_the_seed_draws_the_held_out_part() -> None:
    parts = [
        {id(s["image"]) for s in EasyVqaQuestions(EasyVqaConfig(seed=seed)).samples("validation")}
        for seed in (0, 0, 1)
    ]
    assert parts[0] == parts[1]
    assert parts[0] != parts[2]


def test_the_questions_of_a_picture_stand_together() -> None:
    samples = EasyVqaQuestions(EasyVqaConfig(pictures=30)).samples("train")
    order = [id(sample["image"]) for sample in samples]
    runs = [a for a, b in zip(order, [None, *order], strict=False) if a != b]
    assert len(runs) == len(set(runs)) == 30


def test_captions_agree_with_every_answer() -> None:
    """Independent of how captions are derived: no question of the picture contradicts its caption."""
    captions = {id(s["image"]): s["caption"] for s in EasyVqaCaptions(EasyVqaConfig()).samples("test")}
    checked = 0
    for sample in EasyVqaQuestions(EasyVqaConfig()).samples("test"):
        caption = captions.get(id(sample["image"]))
        if caption is None:
            continue
        _, colour, shape = caption.split()
        words = re.findall(r"\w+", sample["question"])
        if sample["answer"] in SHAPES + COLOURS:
            assert sample["answer"] in (colour, shape)
        else:
            named = next(word for word in words if word in SHAPES + COLOURS)
            there = named in (colour, shape)
            denied = "not" in words or "no" in words
            assert (sample["answer"] == "yes") == (there != denied)
        checked += 1
    assert checked > 8000
    assert len(captions) == 888


def test_the_colour_of_a_caption_is_that_of_the_shape() -> None:
    """Against the pixels: of the eight colours, the caption's is nearest to what stands out from the ground."""
    values = {
        "black": (0, 0, 0), "blue": (0, 0, 255), "brown": (165, 42, 42), "gray": (128, 128, 128),
        "green": (0, 128, 0), "red": (255, 0, 0), "teal": (0, 128, 128), "yellow": (255, 255, 0),
    }  # fmt: skip
    for sample in EasyVqaCaptions(EasyVqaConfig(pictures=200)).samples("test"):
        pixels = sample["image"].reshape(-1, 3).astype(float)
        ground = np.median(pixels, axis=0)
        shape = np.median(pixels[np.abs(pixels - ground).sum(axis=1) > 60], axis=0)
        nearest = min(values, key=lambda colour: np.abs(shape - values[colour]).sum())
        assert sample["caption"].split()[1] == nearest


def test_attributes_follow_from_yes_and_no_alone() -> None:
    questions = [
        ("is there a red shape?", "yes", 0),
        ("does the image not contain a circle?", "yes", 0),
        ("is not a triangle present?", "yes", 0),
        ("is there not a teal shape?", "no", 1),
        ("what is the blue shape?", "circle", 2),
        ("is there a circle?", "no", 3),
    ]
    assert attributes(questions) == {
        0: ("rectangle", "red"),
        1: (None, "teal"),
        2: ("circle", "blue"),
        3: (None, None),
    }


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(InputError, match="no split 'dev'"):
        EasyVqaQuestions(EasyVqaConfig()).samples("dev")
