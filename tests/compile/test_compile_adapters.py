"""Artifacts of modules with adapters: one is merged, several stand beside weights that are stored once."""

from __future__ import annotations

from pathlib import Path

import composer_compile
import numpy as np
import pytest
import torch
from adapted_tasks import write_adapted
from composer_compile import Options
from composer_compile.artifact.container import open_container
from composer_compile.artifact.manifest import Manifest
from composer_compile.plan.planner import plan_document

from composer.execution import Model, load
from composer.weights import save_weights

QUESTIONS = ["red dog", "what is the cat"]


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Model]:
    """The document, weights whose adapters do something, and the live model of all tasks."""
    folder = tmp_path_factory.mktemp("adapted")
    document = write_adapted(folder)
    torch.manual_seed(5)
    model = load(document, weights="initial")
    for module in model.weights.values():
        for parameter in module.parameters():
            parameter.data.mul_(3).add_(torch.randn_like(parameter) * 0.1)
    weights = folder / "weights.safetensors"
    save_weights(model.weights, weights)
    return document, weights, load(document, weights=weights)


def manifest(path: Path) -> Manifest:
    opened = open_container(path)
    opened.close()
    return opened.manifest


def test_tasks_with_different_adapters_answer_differently_over_one_base(
    adapted: tuple[Path, Path, Model],
) -> None:
    _, _, model = adapted
    assert set(model.modules) == {"text+short", "text+long", "text", "decoder+short", "decoder"}
    base = {p.data_ptr() for p in model.modules["text"].parameters()}
    for name in ("text+short", "text+long"):
        own = {p.data_ptr() for n, p in model.modules[name].named_parameters() if "lora_" not in n}
        assert own == base
    states = [model.run(task, question=QUESTIONS)["words"].values for task in model.tasks]
    assert not torch.allclose(states[0], states[1])
    assert not torch.allclose(states[0], states[2])


def test_an_adapter_that_is_used_alone_is_merged_when_it_is_loaded(adapted: tuple[Path, Path, Model]) -> None:
    document, weights, model = adapted
    alone = load(document, weights=weights, tasks=["brief"])
    names = {name for module in alone.modules.values() for name, _ in module.named_parameters()}
    assert not any("lora_" in name for name in names)
    assert set(alone.weights) == {"text", "decoder"}
    both = model.run("brief", question=QUESTIONS)
    one = alone.run("brief", question=QUESTIONS)
    assert one["answer"] == both["answer"]
    torch.testing.assert_close(one["words"].values, both["words"].values, rtol=1e-4, atol=1e-4)


def test_merged_weights_are_written_as_weights(adapted: tuple[Path, Path, Model], tmp_path: Path) -> None:
    document, weights, _ = adapted
    alone = load(document, weights=weights, tasks=["brief"])
    save_weights(alone.weights, tmp_path / "merged.safetensors")
    again = load(document, weights=tmp_path / "merged.safetensors", tasks=["plain"])
    found = again.run("plain", question=QUESTIONS)["words"].values
    assert torch.equal(found, alone.run("brief", question=QUESTIONS)["words"].values)


FLAT = """\
composer: 1
name: flat
modules:
  body:
    uses: core.linear
    with: {input_dim: 32, output_dim: 32}
    adapters:
      first: {with: {rank: 2, targets: [map]}}
      second: {with: {rank: 3, targets: [map]}}
tasks:
"""
FLAT_TASK = """\
  {name}:
    inputs: {{x: {{modality: array, with: {{kind: embedding, dims: [B, 32]}}}}}}
    nodes: {{y: {{call: body.embedding, {adapter}inputs: x}}}}
    outputs: {{y: y}}
    compile: {{ranges: {{batch: "2..4"}}}}
"""
VECTORS = np.linspace(-1, 1, 64, dtype=np.float32).reshape(2, 32)


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Model]:
    """One map, called with either adapter and with none."""
    folder = tmp_path_factory.mktemp("flat")
    tasks = {"one": "adapter: first, ", "two": "adapter: second, ", "none": ""}
    document = folder / "flat.yaml"
    document.write_text(
        FLAT + "".join(FLAT_TASK.format(name=name, adapter=text) for name, text in tasks.items())
    )
    model = load(document, weights="initial")
    for part in ("body+first", "body+second"):
        for parameter in model.weights[part].parameters():
            torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(parameter.shape[0]))
    save_weights(model.weights, folder / "weights.safetensors")
    return document, folder / "weights.safetensors", model


def test_an_artifact_of_several_tasks_stores_the_base_once(
    flat: tuple[Path, Path, Model], tmp_path: Path
) -> None:
    document, weights, model = flat
    composer_compile.compile_document(document, tmp_path / "all", weights=weights)
    stored = manifest(tmp_path / "all").weights.values()
    assert sorted(torch.Size(weight.shape).numel() for weight in stored) == [32, 64, 64, 96, 96, 32 * 32]
    with composer_compile.load(tmp_path / "all") as artifact:
        for task in model.tasks:
            live, compiled = (it.run(task, x=list(VECTORS))["y"] for it in (model, artifact))
            torch.testing.assert_close(torch.as_tensor(compiled), live, rtol=1e-5, atol=1e-5)


def test_an_artifact_with_one_adapter_holds_merged_weights(
    flat: tuple[Path, Path, Model], tmp_path: Path
) -> None:
    document, weights, model = flat
    composer_compile.compile_document(document, tmp_path / "one", weights=weights, tasks=["two"])
    stored = manifest(tmp_path / "one").weights.values()
    assert sorted(torch.Size(weight.shape).numel() for weight in stored) == [32, 32 * 32]
    with composer_compile.load(tmp_path / "one") as artifact:
        compiled = torch.as_tensor(artifact.run("two", x=list(VECTORS))["y"])
    torch.testing.assert_close(compiled, model.run("two", x=list(VECTORS))["y"], rtol=1e-4, atol=1e-4)


def test_a_backend_that_is_not_here_plans_adapters(flat: tuple[Path, Path, Model]) -> None:
    plan = plan_document(flat[0], options=Options(backend="export"))
    params = {
        node.name: node.parameters for task in plan.tasks for stage in task.stages for node in stage.nodes
    }
    assert params["y"] == 32 * 32 + 32
    callees = [node.callee for task in plan.tasks for stage in task.stages for node in stage.nodes]
    assert {"body+first.embedding", "body+second.embedding", "body.embedding"} <= set(callees)


@pytest.mark.slow
def test_searches_with_adapters_are_compiled(adapted: tuple[Path, Path, Model], tmp_path: Path) -> None:
    document, weights, model = adapted
    composer_compile.compile_document(document, tmp_path / "all", weights=weights)
    stored = manifest(tmp_path / "all").weights.values()
    values = sum(p.numel() for module in model.weights.values() for p in module.parameters())
    buffers = sum(b.numel() for module in model.weights.values() for b in module.buffers())
    constants = 64  # small ones of programs
    assert sum(torch.Size(weight.shape).numel() for weight in stored) <= values + buffers + constants
    with composer_compile.load(tmp_path / "all") as artifact:
        for task in model.tasks:
            live, compiled = (it.run(task, question=QUESTIONS) for it in (model, artifact))
            assert compiled["answer"] == live["answer"], task
            torch.testing.assert_close(
                torch.as_tensor(compiled["words"].values), live["words"].values, rtol=1e-4, atol=1e-4
            )


@pytest.mark.slow
def test_half_precision_takes_adapters(adapted: tuple[Path, Path, Model], tmp_path: Path) -> None:
    document, weights, _ = adapted
    options = Options(precision="bf16", tolerance=0.5)
    composer_compile.compile_document(
        document, tmp_path / "half", weights=weights, tasks=["wordy", "plain"], options=options
    )
    with composer_compile.load(tmp_path / "half") as artifact:
        assert artifact.run("wordy", question=QUESTIONS)["answer"]


@pytest.mark.slow
def test_libraries_of_inductor_take_adapters(adapted: tuple[Path, Path, Model], tmp_path: Path) -> None:
    document, weights, model = adapted
    options = Options(backend="inductor")
    composer_compile.compile_document(
        document, tmp_path / "inductor", weights=weights, tasks=["brief", "wordy"], options=options
    )
    with composer_compile.load(tmp_path / "inductor") as artifact:
        for task in ("brief", "wordy"):
            live, compiled = (it.run(task, question=QUESTIONS) for it in (model, artifact))
            assert compiled["answer"] == live["answer"]
