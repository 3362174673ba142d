"""The recorded text cases of the published system, and its small vocabulary as a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

AUX = Path(__file__).parents[2] / "golden" / "mplug2" / "aux"


@pytest.fixture(scope="session")
def recorded() -> dict[str, Any]:
    return json.loads((AUX / "config.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def recorded_arrays() -> dict[str, np.ndarray]:
    return load_file(AUX / "outputs.safetensors")


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory: pytest.TempPathFactory, recorded: dict[str, Any]) -> Path:
    path = tmp_path_factory.mktemp("vocabulary") / "small.txt"
    path.write_text("\n".join(recorded["tokenizer"]["vocab"]) + "\n", encoding="utf-8")
    return path
