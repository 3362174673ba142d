"""Modules that are the moving average of another: how they begin, what a step does to them, what is written."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import composer
from composer.execution import load
from composer.execution.averages import averages_of, move_averages
from composer.training import loop, train_document
from composer.training.state import save_state
from composer.weights import WeightsError, save_weights

pytestmark = pytest.mark.filterwarnings("error")

DOCUMENT = """\
composer: 1
name: points
parameters: {{momentum: {momentum}}}
modules:
  slow: {{average_of: body, with: {{momentum: $momentum}}}}
  body: {{uses: tiny.body}}
  head: {{uses: core.linear, with: {{input_dim: 4, output_dim: 2}}}}
tasks:
  sort:
    inputs: {{x: {{modality: array, with: {{kind: states, dims: [B, 5, 4]}}}}}}
    nodes:
      inner: {{call: body, inputs: x}}
      vector: {{uses: core.pool, inputs: inner}}
      scores: {{call: head.scores, inputs: vector}}
    outputs: {{scores: scores}}
    objective:
      inputs: {{truth: {{modality: array, with: {{kind: classes, dims: [B]}}}}}}
      nodes:
        calm: {{call: slow, inputs: x}}
        both: {{uses: core.add, inputs: {{first: inner, second: calm}}}}
        told: {{uses: core.pool, inputs: both}}
        guess: {{call: head.scores, inputs: told}}
        cost: {{uses: core.class_loss, inputs: {{scores: guess, classes: truth}}}}
      loss: cost.loss
"""
RECIPE = """\
epochs: {epochs}
learning_rate: 5e-2
tasks:
  sort: {{dataset: tiny.points, batch: 4, output: scores, reference: truth, metrics: {{}}}}
"""


def write(folder: Path, *, momentum: float = 0.5, epochs: int = 2) -> None:
    (folder / "mine.yaml").write_text(DOCUMENT.format(momentum=momentum))
    (folder / "recipe.yaml").write_text(RECIPE.format(epochs=epochs))


def of(tensors: dict[str, torch.Tensor], module: str) -> dict[str, torch.Tensor]:
    return {k.partition(".")[2]: t for k, t in tensors.items() if k.startswith(f"{module}.")}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_an_average_follows_slowly_and_is_written(points: Path) -> None:
    write(points)
    train_document("mine.yaml", out="runs/one", recipe="recipe.yaml")
    written = load_file("runs/one.safetensors")
    assert of(written, "slow").keys() == of(written, "body").keys() != set()
    assert not same(of(written, "slow"), of(written, "body"))
    # read back, nothing of it is missing, and nothing begins anew
    model = load("mine.yaml", weights="runs/one.safetensors", objectives=True)
    assert same(dict(model.modules["slow"].state_dict()), of(written, "slow"))


def test_with_a_momentum_of_one_an_average_stays_as_it_began(points: Path) -> None:
    write(points, momentum=1)
    torch.manual_seed(3)
    begun = load("mine.yaml", weights="initial", objectives=True)
    assert same(dict(begun.modules["slow"].state_dict()), dict(begun.modules["body"].state_dict()))
    save_weights({name: begun.modules[name] for name in ("body", "head")}, points / "begun.safetensors")
    train_document("mine.yaml", out="runs/one", recipe="recipe.yaml", weights="begun.safetensors")
    written = load_file("runs/one.safetensors")
    assert same(of(written, "slow"), of(load_file("begun.safetensors"), "body"))
    assert not same(of(written, "body"), of(load_file("begun.safetensors"), "body"))


def test_a_run_that_stopped_goes_on_with_the_average_that_it_had(
    points: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(points, epochs=3)
    train_document("mine.yaml", out="runs/whole", recipe="recipe.yaml")

    def stop(*args: Any) -> None:
        save_state(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(loop, "save_state", stop)
        with pytest.raises(KeyboardInterrupt):
            train_document("mine.yaml", out="runs/parts", recipe="recipe.yaml")
    train_document("mine.yaml", out="runs/parts", recipe="recipe.yaml", resume=True)
    whole, parts = load_file("runs/whole.safetensors"), load_file("runs/parts.safetensors")
    assert same(parts, whole)


def test_a_step_moves_an_average_by_its_momentum_and_takes_no_gradient(points: Path) -> None:
    write(points, momentum=0.75)
    torch.manual_seed(1)
    model = load("mine.yaml", weights="initial", objectives=True)
    body, slow = model.modules["body"], model.modules["slow"]
    with torch.no_grad():
        for tensor in body.parameters():
            tensor.add_(1.0)
    before = copy.deepcopy(slow.state_dict())
    move_averages(averages_of(model.report), model.modules, ["head"])
    assert same(dict(slow.state_dict()), before), "an average that a step does not read stays"
    move_averages(averages_of(model.report), model.modules, ["slow"])
    for key, tensor in slow.state_dict().items():
        if tensor.is_floating_point():
            assert torch.allclose(tensor, 0.75 * before[key] + 0.25 * body.state_dict()[key])


def test_a_part_of_an_average_is_no_average(points: Path) -> None:
    write(points)
    model = load("mine.yaml", weights="initial", objectives=True)
    save_weights({name: model.modules[name] for name in ("body", "head", "slow")}, points / "all.safetensors")
    tensors = load_file("all.safetensors")
    del tensors[max(key for key in tensors if key.startswith("slow."))]
    save_file(tensors, "part.safetensors")
    with pytest.raises(WeightsError, match=r"slow\."):
        load("mine.yaml", weights="part.safetensors", objectives=True)


def test_show_says_what_an_average_follows(points: Path) -> None:
    write(points)
    from composer.views.text_table import document_text

    text = document_text(composer.check("mine.yaml").raise_for_errors())
    assert "average of body, momentum 0.5" in text
