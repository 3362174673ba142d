"""One task with much of the language in it, as AOTInductor libraries: it answers as the live model does.

Ragged pictures in a prompt, lengths that are quotients of what comes, a seeded search whose text is read again, and a
choice among answers: one document, so that the C++ compiler runs for its programs once.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import composer_compile
import numpy as np
import pytest
import torch
from composer_compile.parity.records import verify_samples
from strided import strided_registry
from whole_task import write_whole

import composer
from composer.types import States
from composer.weights import save_weights

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler"),
    pytest.mark.filterwarnings("ignore"),
]

SEEDS = [3, 8, 21]


def rows() -> dict[str, list[Any]]:
    draw = np.random.default_rng(0)
    pictures = [draw.integers(0, 255, (8, 8, 3), dtype=np.uint8) for _ in range(3)]
    signals = [States(draw.random((13, 16), np.float32)) for _ in range(3)]
    texts = ["is there a red", "a", "what is it"]
    return {"pictures": [pictures[:2], [], pictures[2:]], "prompt": texts, "signal": signals}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    path, registry = tmp_path_factory.mktemp("whole"), strided_registry()
    document = write_whole(path)
    torch.manual_seed(5)
    live = composer.load(document, weights="initial", registry=registry)
    for module in live.modules.values():
        for parameter in module.parameters():
            parameter.data.mul_(3).add_(torch.randn_like(parameter) * 0.05)
    save_weights(live.modules, path / "weights.safetensors")
    composer_compile.compile_document(
        document,
        path / "out",
        weights=path / "weights.safetensors",
        registry=registry,
        options=composer_compile.Options(backend="inductor"),
    )
    with composer_compile.load(path / "out", registry=registry) as artifact:
        yield live, artifact


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found["said"] == expected["said"]
    assert found["verdict"] == expected["verdict"]
    assert found["ids"].tolist() == expected["ids"].tolist()
    torch.testing.assert_close(found["probabilities"], expected["probabilities"], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(found["heard"].values, expected["heard"].values, rtol=1e-4, atol=1e-4)


def test_it_answers_as_the_live_model_alone_and_in_a_batch(models: tuple[Any, Any]) -> None:
    live, artifact = models
    assert all(each.passed for each in verify_samples(artifact))
    given = rows()
    together = artifact.run(**given, seed=SEEDS)
    same(together, live.run("ask", **given, seed=SEEDS))
    assert len(set(together["said"])) == len(SEEDS)
    for row, seed in enumerate(SEEDS):
        one = {name: values[row] for name, values in given.items()}
        alone = artifact.run(**one, seed=seed)
        same(alone, live.run("ask", **one, seed=seed))
        assert (alone["said"], alone["verdict"]) == (together["said"][row], together["verdict"][row])
        torch.testing.assert_close(
            alone["probabilities"], together["probabilities"][row], rtol=1e-3, atol=1e-5
        )
