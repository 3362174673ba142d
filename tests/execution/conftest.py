"""The tiny model, loaded as it stands."""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import pytest
import torch

import composer
from composer.execution import Model


@pytest.fixture(scope="module")
def model(tiny) -> Model:
    return composer.load(tiny.document, weights=tiny.weights)


@pytest.fixture
def on_such_a_processor() -> Iterator[None]:
    """One on which oneDNN is faster than what torch calls."""
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("this torch has no oneDNN")
    with (
        mock.patch("composer.execution.linear.onednn_is_faster", return_value=True),
        mock.patch("composer.execution.attention.onednn_is_faster", return_value=True),
    ):
        yield
