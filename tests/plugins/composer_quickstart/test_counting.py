"""The modality `count`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from composer_quickstart.counting import CountProcessor

from composer.plugin import NoConfig, load_registry
from composer.problems import InputError


def test_whole_numbers_become_an_array() -> None:
    numbers: list[Any] = [3, 0, np.int64(2)]
    counts = CountProcessor(NoConfig()).encode(numbers)["counts"]
    assert counts.dtype == np.int64
    assert counts.tolist() == [3, 0, 2]


@pytest.mark.parametrize("value", [-1, 1.0, "2", True, None])
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="whole number"):
        CountProcessor(NoConfig()).encode([1, value])  # type: ignore[list-item]


def test_the_plugin_registers_what_the_recipe_names() -> None:
    registry = load_registry()
    assert {"easy-vqa.questions", "easy-vqa.captions", "moving-digits"} <= set(registry.datasets)
    assert {"quickstart.exact_match", "quickstart.digit", "quickstart.direction"} <= set(registry.metrics)
    assert registry.modalities.origin("count").plugin == "quickstart"
