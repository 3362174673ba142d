"""Every task of every shipped mPLUG-2 document at tiny parameters: compiled with `export`, it answers as live.

The artifact of `quickstart`, which is tiny as it ships, is held to its live model in tests/docs/test_compile_page.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import composer_compile
import numpy as np
import pytest
import torch
import yaml
from composer_compile.artifact.manifest import Manifest

from composer.execution import Model, load
from composer.weights import save_weights

TINY = Path(__file__).parents[1] / "tiny"
PARAMETERS: dict[str, Any] = {
    **yaml.safe_load((TINY / "tiny.yaml").read_text())["parameters"],
    "tokenizer": str(TINY / "vocabulary.txt"),
}
TASKS = ("video-qa", "image-qa", "video-qa-rank", "image-qa-rank", "video-caption", "image-caption")


def compiled(
    document: str, tasks: Sequence[str], folder: Path, settings: Mapping[str, Any]
) -> tuple[Model, composer_compile.Artifact, Manifest]:
    """The live model with large random weights, and the artifact that was made of it for one to three samples."""
    torch.manual_seed(4)
    model = load(document, settings=settings, weights="initial", tasks=tasks)
    for module in model.modules.values():
        for parameter in module.parameters():
            parameter.data.mul_(3).add_(torch.randn_like(parameter) * 0.1)
    save_weights(model.modules, folder / "weights.safetensors")
    # Ranking keeps two answers, so it takes no fewer.
    ranked = {"answers.batch": "2..3"} if any("rank" in task for task in tasks) else {}
    ranges = {"batch": "1..3, best 2", **ranked}
    manifest = composer_compile.compile_document(
        document,
        folder / "out",
        tasks=tasks,
        settings=settings,
        weights=folder / "weights.safetensors",
        options=composer_compile.Options(ranges=ranges),
    )
    return model, composer_compile.load(folder / "out"), manifest


def raw_of(task: str) -> dict[str, Any]:
    random = np.random.default_rng(len(task))
    size = (2, 20, 20, 3) if task.startswith("video") else (20, 20, 3)
    seen = [random.integers(0, 256, size, dtype=np.uint8) for _ in range(2)]
    raw: dict[str, Any] = {task.partition("-")[0]: seen}
    if "qa" in task:
        raw["question"] = ["what is it", "a b"]
    if "rank" in task:
        raw["answers"] = ["a", "b c"]
    return raw


def hold(model: Model, artifact: composer_compile.Artifact, task: str) -> None:
    raw = raw_of(task)
    ours, theirs = artifact.run(task, **raw), model.run(task, **raw)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(ours[name], value, rtol=1e-4, atol=1e-4)
        else:
            assert ours[name] == value


@pytest.mark.parametrize(
    ("document", "tasks"),
    [
        pytest.param("mplug2", TASKS, marks=pytest.mark.slow, id="mplug2, every task"),
        ("mplug2-base", ("image-caption",)),
        pytest.param("mplug2-base", TASKS, marks=pytest.mark.slow, id="mplug2-base, every task"),
    ],
)
def test_every_task_answers_as_the_live_model(document: str, tasks: tuple[str, ...], tmp_path: Path) -> None:
    settings = {**PARAMETERS, **({"fusion_stride": 1} if document == "mplug2-base" else {})}
    model, artifact, manifest = compiled(document, tasks, tmp_path, settings)
    with artifact:
        assert artifact.tasks == tasks
        assert manifest.command.split()[2 : 2 + len(tasks)] == [f"{document}:{tasks[0]}", *tasks[1:]]
        assert all(parity.passed for parity in manifest.parity.values())
        for task in manifest.tasks.values():
            stages = [part for part in task.order if hasattr(part, "programs")]
            assert [program.fixed for stage in stages for program in stage.programs] == [{}] * len(stages)
        for name in tasks:
            hold(model, artifact, name)


def test_these_are_all_tasks() -> None:
    from composer.graph import check

    for document in ("mplug2", "mplug2-base"):
        assert tuple(check(document, settings=PARAMETERS).tasks) == TASKS
