"""What a modality's processor gives: foreign values are the plugin's fault, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from composer.execution.host_values import held_value
from composer.execution.inputs import to_tensors
from composer.execution.processors import encoded
from composer.plugin import Modality, NoConfig
from composer.plugin.asking import PluginError
from composer.types import Field, Kind, States

MODALITY = Modality(
    "odd.input",
    NoConfig,
    lambda config: {"x": "states[B, N, 2]"},
    "odd:Processor",
    "Odd.",
    plugin="odd (odd 1)",
)
ARRAY = np.zeros((1, 3, 2), "float32")


def processor(answer: Any) -> Any:
    def encode(values: Sequence[Any]) -> Any:
        return answer

    return SimpleNamespace(encode=encode)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [ARRAY],
        {},
        {"y": ARRAY},
        {"x": None},
        {"x": 3},
        {"x": "text"},
        {"x": {"values": ARRAY}},
        {"x": States(3, None)},
        {"x": States(None, None)},
        {"x": object},
    ],
    ids=str,
)
def test_a_foreign_value_names_modality_plugin_and_function(answer: Any) -> None:
    with pytest.raises(PluginError) as caught:
        encoded(MODALITY, processor(answer), ["raw"], ["x"])
    said = str(caught.value)
    assert said.startswith("`encode` of modality `odd.input` of the plugin odd (odd 1) returns ")
    assert "`processor.encode`, " in said
    assert "test_processors.py:" in said


@pytest.mark.parametrize("answer", [ARRAY, torch.zeros(1, 2), States(ARRAY, None), ["a text"]], ids=str)
def test_arrays_records_and_lists_pass(answer: Any) -> None:
    assert encoded(MODALITY, processor({"x": answer}), ["raw"], ["x"]) == {"x": answer}


@pytest.mark.parametrize(
    "array", [np.arange(6)[::-1], np.arange(6, dtype=">i4"), np.arange(6.0)[::2], np.float32(2.5)], ids=str
)
def test_every_layout_of_numbers_becomes_a_tensor(array: Any) -> None:
    kind = Kind("numbers", "Numbers.", ("batch",), {"values": Field("float", (0,))})
    assert to_tensors(held_value("x", kind, array)).tolist() == array.tolist()
