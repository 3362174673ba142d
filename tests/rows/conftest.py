"""The tiny model, and a stand-in that answers as it is told."""

from __future__ import annotations

import pytest

import composer
from composer.execution import Model


@pytest.fixture(scope="session")
def model(tiny) -> Model:
    return composer.load(tiny.document, weights=tiny.weights, tasks=["image-qa", "image-qa-rank", "video-qa"])
