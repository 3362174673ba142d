"""The document of three small modules, written with what its modules say of their weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sourced import DOCUMENT, Tensors, tensors_of_all

Write = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(folder: Path) -> Write:
    """Write the document with the weights that its modules name; gives its path."""

    def written(first: str = "", second: str = "", third: str = "", *, to: str = "parts.yaml") -> Path:
        Path(to).parent.mkdir(parents=True, exist_ok=True)
        said = [f", weights: {text}" if text else "" for text in (first, second, third)]
        Path(to).write_text(DOCUMENT % tuple(said))
        return Path(to)

    return written


@pytest.fixture(scope="session")
def tensors() -> Tensors:
    return tensors_of_all()
