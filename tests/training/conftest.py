"""The tiny data of tests/helpers as an installed plugin, and a document with its recipe in an empty folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_data


@pytest.fixture
def points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, which is the current one: `points.yaml` and `recipe.yaml`."""
    return tiny_data.install(tmp_path, monkeypatch)
