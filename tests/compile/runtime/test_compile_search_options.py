"""Options of searches in artifacts: rules, draws, stop strings, streams and choices are those of the live model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import composer_compile
import pytest
import torch
from searches_of_quickstart import PICTURE, captions

import composer

TASKS = ("draws", "choices")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last task reads the probabilities in a program of its own."""
    path = captions(tmp_path_factory.mktemp("searches"), *TASKS)
    text = path.read_text()
    better = "      better: {uses: core.softmax, inputs: {scores: caption.probabilities}}\n"
    head, _, tail = text.rpartition("    outputs: {")
    path.write_text(f"{head}{better}    outputs: {{best: better.probabilities, {tail}")
    return path


@pytest.fixture(scope="module")
def live(document: Path) -> Any:
    return composer.load(document, weights="quickstart")


@pytest.fixture(scope="module")
def artifact(document: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    target = tmp_path_factory.mktemp("artifact") / "searches"
    composer_compile.compile_document(document, target, weights="quickstart")
    with composer_compile.load(target) as loaded:
        yield loaded


@pytest.mark.parametrize("task", TASKS)
def test_answers_are_those_of_the_live_model(artifact: Any, live: Any, task: str) -> None:
    seed = {"seed": [3, 4]} if task == "draws" else {}
    raw = {"image": [PICTURE, PICTURE], **seed}
    found, expected = artifact.run(task, **raw), live.run(task, **raw)
    assert found["caption"] == expected["caption"]
    for name, value in expected.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5)


def test_streams_are_those_of_the_live_model(artifact: Any, live: Any) -> None:
    for seed in range(4):
        pieces = list(artifact.stream("draws", image=PICTURE, seed=seed))
        assert "".join(pieces) == live.run("draws", image=PICTURE, seed=seed)["caption"]


def test_what_comes_after_choices_reads_their_probabilities(artifact: Any) -> None:
    found = artifact.run("choices", image=PICTURE)
    torch.testing.assert_close(found["best"], found["chances"].softmax(-1))


OTHERS = ("plain", "begins", "beams", "groups", "published", "stopped", "stopped-beams", "stopped-draws")


@pytest.mark.slow
def test_every_search_answers_and_streams_as_the_live_model(tmp_path: Path) -> None:
    """Greedy, sampling and the settled part of beams, with rules and stop strings."""
    document = captions(tmp_path, *OTHERS)
    live = composer.load(document, weights="quickstart")
    composer_compile.compile_document(document, tmp_path / "searches", weights="quickstart")
    with composer_compile.load(tmp_path / "searches") as artifact:
        for task in OTHERS:
            seed = {"seed": 3} if "draws" in task else {}
            expected = live.run(task, image=PICTURE, **seed)["caption"]
            assert artifact.run(task, image=[PICTURE, PICTURE], **seed)["caption"] == [expected] * 2, task
            for model in (live, artifact):
                pieces = list(model.stream(task, image=PICTURE, **seed))
                assert "".join(pieces) == expected, task
