"""The tiny data of tests/helpers as an installed plugin, and a document with its recipe in an empty folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_data


@pytest.fixture
def points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, which is the current one: `points.yaml` and `recipe.yaml`."""
    site, folder = tmp_path / "site", tmp_path / "work"
    info = site / "composer_tiny-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: composer-tiny\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[composer]\ntiny = tiny_data\n")
    monkeypatch.syspath_prepend(site)
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "points.yaml").write_text(tiny_data.DOCUMENT)
    (folder / "recipe.yaml").write_text(tiny_data.RECIPE)
    return folder
