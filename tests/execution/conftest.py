"""The tiny model, loaded as it stands."""

from __future__ import annotations

import pytest

import composer
from composer.execution import Model


@pytest.fixture(scope="module")
def model(tiny) -> Model:
    return composer.load(tiny.document, weights=tiny.weights)
