"""Tasks that are answered by the moving average of a module: compiled they answer as live, with its own weights."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import composer_compile
import numpy as np
import pytest
import torch
from composer_compile.options import Options
from composer_compile.plan.planner import plan_document
from safetensors.torch import load_file, save_file

from composer.cli import main
from composer.execution import Model, load
from composer.types import States
from composer.weights import WeightsError, save_weights

DOCUMENT = """\
composer: 1
name: calm
modules:
  body: {uses: core.linear, with: {input_dim: 4, output_dim: 4}}
  head: {uses: core.linear, with: {input_dim: 4, output_dim: 2}}
  slow: {average_of: body, with: {momentum: 0.9}}
tasks:
  calm:
    inputs: {x: {modality: array, with: {kind: states, dims: [B, 5, 4]}}}
    nodes:
      inner: {call: slow, inputs: x}
      vector: {uses: core.pool, inputs: inner}
      scores: {call: head.scores, inputs: vector}
    outputs: {scores: scores}
    compile: {ranges: {batch: "1..4, best 2"}}
  both:
    inputs: {x: {modality: array, with: {kind: states, dims: [B, 5, 4]}}}
    nodes:
      inner: {call: slow, inputs: x}
      quick: {call: body, inputs: x}
      vector: {uses: core.pool, inputs: inner}
      other: {uses: core.pool, inputs: quick}
      scores: {call: head.scores, inputs: vector}
      sharp: {call: head.scores, inputs: other}
    outputs: {scores: scores, sharp: sharp}
    compile: {ranges: {batch: "1..4, best 2"}}
"""


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "calm.yaml"
    path.write_text(DOCUMENT)
    return path


@pytest.fixture
def weights(document: Path) -> Path:
    """Weights of which the average differs from what it follows."""
    model = load(document, weights="initial", tasks=["both"])
    torch.manual_seed(5)
    with torch.no_grad():
        for module in model.modules.values():
            for parameter in module.parameters():
                parameter.copy_(torch.randn_like(parameter))
    path = document.with_name("w.safetensors")
    save_weights(model.modules, path)
    return path


def answers(model: Any, task: str) -> dict[str, Any]:
    values = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
    found: dict[str, Any] = model.run(task, x=[States(each, None) for each in values])
    return found


def assert_same(model: Any, live: Model, tasks: tuple[str, ...]) -> None:
    for task in tasks:
        theirs = answers(live, task)
        for name, value in answers(model, task).items():
            torch.testing.assert_close(
                torch.as_tensor(value), torch.as_tensor(theirs[name]), rtol=0, atol=1e-6
            )


def test_an_artifact_answers_by_the_average(document: Path, weights: Path, tmp_path: Path) -> None:
    live = load(document, weights=weights)
    found = answers(live, "both")
    assert not torch.allclose(torch.as_tensor(found["scores"]), torch.as_tensor(found["sharp"]))
    composer_compile.compile_document(document, tmp_path / "out", weights=weights)
    with composer_compile.load(tmp_path / "out") as artifact:
        assert_same(artifact, live, ("calm", "both"))


def test_an_artifact_of_the_average_alone_holds_nothing_of_what_it_follows(
    document: Path, weights: Path, tmp_path: Path
) -> None:
    composer_compile.compile_document(document, tmp_path / "out", weights=weights, tasks=["calm"])
    with composer_compile.load(tmp_path / "out") as artifact:
        assert_same(artifact, load(document, weights=weights, tasks=["calm"]), ("calm",))
    stored = load_file(tmp_path / "out" / "weights.safetensors").values()
    assert sum(tensor.numel() for tensor in stored) == (4 * 4 + 4) + (4 * 2 + 2)  # slow and head


def test_an_average_without_weights_is_what_it_follows(document: Path, tmp_path: Path) -> None:
    """A checkpoint of before there was an average: whatever task is loaded, live or compiled."""
    first = load(document, weights="initial", tasks=["both"])
    path = tmp_path / "before.safetensors"
    save_weights({name: first.modules[name] for name in ("body", "head")}, path)
    whole, alone = load(document, weights=path), load(document, weights=path, tasks=["calm"])
    assert_same(alone, whole, ("calm",))
    found = answers(whole, "both")
    torch.testing.assert_close(found["scores"], found["sharp"])
    composer_compile.compile_document(document, tmp_path / "out", weights=path, tasks=["calm"])
    with composer_compile.load(tmp_path / "out") as artifact:
        assert_same(artifact, whole, ("calm",))


def test_a_checkpoint_of_the_average_alone_is_enough_where_it_alone_is_called(
    document: Path, weights: Path, tmp_path: Path
) -> None:
    held = load_file(weights)
    path = tmp_path / "alone.safetensors"
    save_file({key: value for key, value in held.items() if not key.startswith("body.")}, path)
    alone = load(document, weights=path, tasks=["calm"])
    assert_same(alone, load(document, weights=weights), ("calm",))
    assert "no task here calls it" in str(alone.loading)
    composer_compile.compile_document(document, tmp_path / "out", weights=path, tasks=["calm"])
    with composer_compile.load(tmp_path / "out") as artifact:
        assert_same(artifact, alone, ("calm",))
    with pytest.raises(WeightsError, match="body"):
        load(document, weights=path)


TENSORRT = pytest.param(
    "tensorrt",
    marks=[
        pytest.mark.tensorrt,
        pytest.mark.skipif(find_spec("torch_tensorrt") is None, reason="Torch-TensorRT is not installed"),
    ],
)


@pytest.mark.parametrize("backend", ["export", TENSORRT])
def test_a_plan_has_the_average_in_its_programs(
    document: Path, backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_document(document, options=Options(backend=backend))
    costs = {
        (task.name, node.name): node for task in plan.tasks for stage in task.stages for node in stage.nodes
    }
    assert costs["calm", "inner"].flops == costs["both", "quick"].flops > 0
    assert not costs["calm", "inner"].fallbacks
    assert main(["compile", f"{document}:calm", "--plan", "--backend", backend]) == 0
    assert "inner" in capsys.readouterr().out
