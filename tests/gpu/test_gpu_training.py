"""On a GPU: training gives the losses of the processor, nearly so in bfloat16, and goes on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny_data
import torch

from composer.training import train_document

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here"),
]


@pytest.fixture
def points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return tiny_data.install(tmp_path, monkeypatch)


def losses(points: Path, out: str, **options: Any) -> list[float]:
    given = {"recipe": points / "recipe.yaml", "epochs": 3, "splits": ("test",), **options}
    record = train_document(points / "points.yaml", out=points / out, **given)
    return [loss for epoch in record["curve"] for loss in epoch["losses"].values()]


def test_training_gives_the_losses_of_the_processor(points: Path) -> None:
    assert losses(points, "there", device="cuda") == pytest.approx(losses(points, "here"), rel=1e-4)


def test_bfloat16_gives_nearly_the_losses_of_float32(points: Path) -> None:
    rounded = losses(points, "there", device="cuda", precision="bf16")
    assert rounded == pytest.approx(losses(points, "here"), rel=0.05)


def test_a_run_that_is_resumed_ends_as_one_on_the_processor(points: Path) -> None:
    for out, device in (("there", "cuda"), ("here", "cpu")):
        losses(points, out, epochs=2, device=device)
    resumed = losses(points, "there", device="cuda", resume=True)
    assert resumed == pytest.approx(losses(points, "here", resume=True), rel=1e-4)
