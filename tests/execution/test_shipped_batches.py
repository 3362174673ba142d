"""Every task of every shipped document: a batch answers as its samples do alone, whichever of them is longest."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import composer
from composer.execution import Model
from composer.graph.checked import Call, InPlace, Read
from composer.plugin import load_registry
from composer.types import States, Tokens

TINY = Path(__file__).parents[1] / "tiny"
DOCUMENTS = sorted(load_registry().documents)
SIZES = yaml.safe_load((TINY / "tiny.yaml").read_text())["parameters"]
FAMILIES = {"positions": 64, "text_tokens": 24, "embed_dim": 8, "queue": 6, "rerank": 2}
"""Sizes of the document with every task family, beside those."""
QUESTIONS = ["what is the man doing in the picture now", "who", "is there a red circle"]
ANSWERS = ["yes", "a red circle", "no"]


@cache
def model_of(document: str) -> Model:
    """The document with its own weights where it ships some, or else with random ones at toy sizes."""
    known = composer.check(document).raise_for_errors().document.parameters
    if "rank_top" not in known:
        return composer.load(document)
    settings = {name: value for name, value in SIZES.items() if name in known}
    if "text_tokens" in known:  # coordinates are tokens of the whole vocabulary
        settings = {
            **{name: settings[name] for name in settings.keys() - {"vocabulary", "tokenizer"}},
            **FAMILIES,
        }
    else:
        settings["tokenizer"] = str(TINY / "vocabulary.txt")
    torch.manual_seed(3)
    model = composer.load(document, weights="initial", settings=settings)
    for module in model.modules.values():
        for parameter in module.parameters():
            if parameter.dim() > 1:  # far from each other, so that samples have answers of their own
                torch.nn.init.normal_(parameter, std=0.3)
    return model


def tasks() -> list[Any]:
    return [
        # at toy sizes the base document is the large one, and the families are many tasks over the same modules
        pytest.param(
            document,
            task,
            id=f"{document}:{task}",
            marks=[pytest.mark.slow] * document.endswith(("-base", "-tasks")),
        )
        for document in DOCUMENTS
        for task in composer.check(document).tasks
    ]


def values_of(modality: str, size: int, frames: int) -> list[Any]:
    """Three values of a modality, each another one, and texts of other lengths."""
    draw = np.random.default_rng(7)
    if modality == "text":
        return QUESTIONS
    shape = (size, size, 3) if modality == "image" else (frames, size, size, 3)
    assert modality in ("image", "video"), f"give this test a value of the modality {modality}"
    return [draw.integers(0, 255, shape, dtype=np.uint8) for _ in range(3)]


def mixes_samples(model: Model, task: str) -> bool:
    """Whether a node says that what it gives depends on the other samples, as the best pairs among them do."""
    nodes = model.report.tasks[task].nodes.values()
    calls = [
        node.callee
        for node in nodes
        if isinstance(node.callee, (Call, InPlace)) and not isinstance(node.callee, Read)
    ]
    return any(call.module.type.methods[call.method].mixes_samples for call in calls)


def same(one: Any, other: Any) -> None:
    """Equal, but for what a batch puts behind a shorter text."""
    if isinstance(one, str):
        assert one == other
        return
    one, other = torch.as_tensor(one), torch.as_tensor(other)
    if one.dim() > 1 and one.shape[1:] == other.shape[1:]:
        one = one[: len(other)]
    torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(("document", "task"), tasks())
def test_a_batch_answers_as_its_samples_do_alone(document: str, task: str) -> None:
    model = model_of(document)
    if mixes_samples(model, task):
        pytest.skip("its answers are about all samples together")
    facts = model.runner(task).inputs.host
    parameters = model.report.document.parameters
    found = {
        name: values_of(item.modality.id, parameters["image_size"], parameters["frames"])
        for name, item in facts.inputs.items()
        if name in facts.per_sample
    }
    shared = {name: ANSWERS for name in facts.inputs if name not in found}
    alone = [model.run(task, **{n: v[row] for n, v in found.items()}, **shared) for row in range(3)]
    for order in ((0, 1, 2), (2, 0)):
        together = model.run(task, **{n: [v[row] for row in order] for n, v in found.items()}, **shared)
        for name, values in together.items():
            for row, value in zip(order, values, strict=True):
                same(value, alone[row][name])


@pytest.mark.parametrize("side", ["right", "left"])
def test_an_encoder_reads_the_same_on_either_side_of_padding(side: str) -> None:
    """Where positions count from each text's own start, as those of a prompt do."""
    encoder = model_of("mplug2").modules["text"]
    ids = torch.tensor([[2, 7, 8, 9, 10, 11]])

    def states(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        positions = (mask.cumsum(1) - 1).clamp(0)
        with torch.inference_mode():
            found: States = encoder(tokens=Tokens(ids, mask), positions=positions)
        return found.values[0][mask[0] > 0]

    wanted = states(ids, torch.ones_like(ids))
    for count in (1, 4):
        pad = (count, 0) if side == "left" else (0, count)
        padded, mask = (torch.nn.functional.pad(each, pad) for each in (ids, torch.ones_like(ids)))
        same(states(padded, mask), wanted)
