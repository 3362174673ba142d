"""Boxes of pictures in people's own data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from composer_core.box_values import BoxProcessor, BoxValueConfig
from composer_core.metric_types import BleuConfig, BoxConfig
from composer_core.metrics.boxes import box_accuracy
from composer_core.metrics.captions import bleu
from composer_core.metrics.given import texts_of
from composer_core.metrics.vqa import vqa_accuracy

from composer.problems import InputError


def test_a_box_is_a_list_or_a_text_in_either_form() -> None:
    written = ([0.1, 0.2, 0.3, 0.5], "[0.1, 0.2, 0.3, 0.5]", "0.1 0.2 0.3 0.5", "0.1,0.2,0.3,0.5")
    found = BoxProcessor(BoxValueConfig()).encode(written)["box"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0.1, 0.2, 0.3, 0.5]] * 4, atol=1e-6)
    corners = BoxProcessor(BoxValueConfig(form="xyxy")).encode([[0.1, 0.2, 0.4, 0.7]])["box"]
    np.testing.assert_allclose(corners, [[0.1, 0.2, 0.3, 0.5]], atol=1e-6)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([10, 20, 30, 40], "divide by the picture's width and height"),
        ([0.5, 0.5, 0.9, 0.9], "it is read as left, top, width, height"),
        ([0.5, 0.5, 0.0, 0.1], "has no area"),
        ("a box", "is not a box: four numbers are expected"),
        ("[0.1, 0.2", "is not a box"),
        ([0.1, 0.2, float("nan"), 0.4], "is not a box"),
        ([0.1, 0.2, 0.3], "is not a box"),
    ],
)
def test_what_is_no_box_of_a_picture_is_told(value: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        BoxProcessor(BoxValueConfig()).encode([value])


def test_references_in_a_table_without_lists() -> None:
    predicted = [np.array([0.1, 0.1, 0.5, 0.5])] * 2
    assert box_accuracy(predicted, ["[0.1, 0.1, 0.5, 0.5]", "0.6 0.6 0.2 0.2"], BoxConfig(form="xywh")) == [
        1.0,
        0.0,
    ]
    assert texts_of('["a cat", "one cat"]') == ["a cat", "one cat"]
    assert texts_of("[a cat") == ["[a cat"]
    assert texts_of("[1, 2]") == ["[1, 2]"]


def test_several_references_of_a_csv_are_scored_as_those_of_json_lines() -> None:
    people = ["yes"] * 9 + ["no"]
    assert vqa_accuracy(["yes"], [json.dumps(people)]) == vqa_accuracy(["yes"], [people])
    captions = ["one dog", "a cat"]
    assert bleu(["a cat"], [json.dumps(captions)], BleuConfig()) == bleu(["a cat"], [captions], BleuConfig())
