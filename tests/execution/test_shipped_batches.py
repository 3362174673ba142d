"""Every task of every document that ships: a batch answers as its samples do alone, on whichever side it is filled up.

What is filled up is text, the one thing of shipped tasks whose length is its own on both sides: pictures and clips have
one size, and a sound begins at its first sample. Inputs of modality `text` are filled up on the right; for the left the
program is given their tokens directly, as of a tokenizer of one's own. A prompt says its side.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
import yaml
from faulty_plugins import forget
from shipped import TEXTS, lay_out, shipped, values_of

import composer
from composer.execution import Model
from composer.graph.checked import Call, InPlace, Read
from composer.plan import plan_task
from composer.types import Tokens

Side = Literal["right", "left"]
SIDES: tuple[Side, ...] = ("right", "left")
DOCUMENTS = {each.name: each for each in shipped()}
HIDDEN = 4
"""The id behind the mask: of some word, so that nothing finds the padding by its own id."""
PADDED = ("text", "prompt")
FURTHER = 2
"""How many more places than the longest text are filled."""


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The examples, with the plugins among them installed."""
    place = tmp_path_factory.mktemp("root") / "examples"
    place.mkdir()
    site = lay_out(place)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # models so small only wait for several
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        yield place
    torch.set_num_threads(threads)
    model_of.cache_clear()
    forget("composer_vad", "composer_sound")
    assert "composer_vad" not in sys.modules


@cache
def model_of(name: str, folder: Path, side: Side) -> Model:
    """The document with its own weights where it ships some, or else with random ones."""
    it = DOCUMENTS[name]
    document: str | Path = (
        it.document if it.weights is None or "/" not in it.document else folder / it.document
    )
    prompts = prompts_of(document, it.settings)
    if side == "left":
        if not prompts:
            return model_of(name, folder, "right")
        document = padded_left(Path(document), prompts)
    torch.manual_seed(3)
    model = composer.load(document, weights=it.weights, settings=it.settings)
    parameters = [p for module in model.modules.values() for p in module.parameters()]
    if it.weights is not None and sum(p.numel() for p in parameters) < 2_000_000:
        for parameter in parameters:
            if parameter.dim() > 1:  # far from each other, so that samples have answers of their own
                torch.nn.init.normal_(parameter, std=0.3)
    return model


def prompts_of(document: str | Path, settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """The inputs of modality `prompt` of each task."""
    tasks = composer.check(document, settings=settings).raise_for_errors().tasks
    return {
        name: found
        for name, task in tasks.items()
        if (found := [n for n, item in plan_task(task).inputs.items() if item.modality.id == "prompt"])
    }


def padded_left(document: Path, prompts: Mapping[str, list[str]]) -> Path:
    """A document beside it, whose prompts are filled up on the left."""
    path = document.with_name(f"{document.stem}-left.yaml")
    changes = {
        task: {"inputs": {name: {"with": {"padding": "left"}} for name in names}}
        for task, names in prompts.items()
    }
    path.write_text(yaml.safe_dump({"composer": 1, "extends": document.name, "tasks": changes}))
    return path


def tasks() -> list[Any]:
    return [
        pytest.param(name, task, id=f"{name}:{task}", marks=[pytest.mark.slow] * it.is_slow)
        for name, it in DOCUMENTS.items()
        for task in it.tasks
    ]


def moved(tokens: Tokens, side: Side) -> Tokens:
    """The same texts in more places, with all padding on one side."""
    batch, length = tokens.ids.shape
    ids = torch.full((batch, length + FURTHER), HIDDEN)
    mask = torch.zeros_like(ids)
    for row, shown in enumerate(tokens.mask > 0):
        count = int(shown.sum())
        here = slice(0, count) if side == "right" else slice(length + FURTHER - count, None)
        ids[row, here], mask[row, here] = tokens.ids[row][shown], 1
    return Tokens(ids, mask)


def answers(
    model: Model, task: str, raw: Mapping[str, Any], side: Side | None = None
) -> list[dict[str, Any]]:
    """The answer of each sample; `side` is where texts are filled up, beyond what their batch needs."""
    runner = model.runner(task)
    tensors, _ = runner.inputs.encode(raw, model.device)
    masks = []
    for name, item in runner.inputs.host.inputs.items():
        if side is not None and item.modality.id == "text":
            tensors[name]["tokens"] = moved(tensors[name]["tokens"], side)
        masks += [ports.mask for ports in tensors[name].values() if isinstance(ports, Tokens)]
    with torch.inference_mode():
        found = runner.answer(runner.slots(tensors), single=False)
    rows = runner.inputs.host.samples(raw)
    return [
        {
            name: shown(runner.output_facts[name].sample(value, row), row, masks)
            for name, value in found.items()
        }
        for row in range(rows)
    ]


def shown(value: Any, row: int, masks: list[torch.Tensor]) -> Any:
    """Without the places that a text does not have, where each has a value and nothing tells these."""
    if torch.is_tensor(value) and value.dim() > 1:
        for mask in masks:
            if value.shape[0] == mask.shape[1] and row < len(mask):
                return value[mask[row] > 0]
    return value


def same(one: Any, other: Any) -> None:
    if isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for each, its in zip(one, other, strict=True):
            same(each, its)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for name, value in one.items():
            same(value, other[name])
    elif isinstance(one, str) or one is None:
        assert one == other
    else:
        torch.testing.assert_close(torch.as_tensor(one), torch.as_tensor(other), atol=1e-4, rtol=1e-3)


def mixes_samples(model: Model, task: str) -> bool:
    """Whether a node says that what it gives depends on the other samples, as the best pairs among them do."""
    nodes = model.report.tasks[task].nodes.values()
    calls = [
        node.callee
        for node in nodes
        if isinstance(node.callee, (Call, InPlace)) and not isinstance(node.callee, Read)
    ]
    return any(call.module.type.methods[call.method].mixes_samples for call in calls)


@pytest.mark.parametrize(("name", "task"), tasks())
def test_a_batch_answers_as_its_samples_do_alone(name: str, task: str, folder: Path) -> None:
    model = model_of(name, folder, "right")
    facts = model.runner(task).inputs.host
    each = {
        n: values_of(item.modality.id, item.config)
        for n, item in facts.inputs.items()
        if n in facts.per_sample
    }
    shared = {n: TEXTS for n in facts.inputs if n not in each}

    def asked(rows: tuple[int, ...]) -> dict[str, Any]:
        return {n: [values[row] for row in rows] for n, values in each.items()} | shared

    everything, longest_between = asked((0, 1, 2)), asked((1, 0, 2))
    if mixes_samples(model, task):  # it answers about all samples, so that padding alone can be asked about
        alone = answers(model, task, longest_between)
    else:
        first, *others = (answers(model, task, asked((row,)))[0] for row in range(3))
        same(answers(model, task, everything), [first, *others])
        alone = [others[0], first, others[1]]
    for side in SIDES if any(item.modality.id in PADDED for item in facts.inputs.values()) else ():
        same(answers(model_of(name, folder, side), task, longest_between, side), alone)
