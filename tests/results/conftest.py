"""The script that makes docs/results.md."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from scripts import script

FOLDER = Path(__file__).parents[2] / "examples" / "results"


@pytest.fixture(scope="module")
def make() -> ModuleType:
    return script(FOLDER / "make.py")
