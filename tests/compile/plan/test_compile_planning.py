"""`--plan` tells what a backend runs, on tensors without data: counts that can be worked out by hand, and fallbacks."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import composer_compile
import jsonschema
import pytest
import torch
from composer_compile.artifact.container import open_container
from composer_compile.artifact.dtypes import DTYPES
from composer_compile.backends.contract import Support
from composer_compile.backends.export_builder import ExportBuilder
from composer_compile.errors import BackendError
from composer_compile.options import Options
from composer_compile.plan.plan_report import NodePlan, plan_schema
from composer_compile.plan.planner import plan_document
from composer_compile.plan.trace import trace
from composer_compile.plan.workspace import workspace_bytes
from memory import PEAK
from torch import fx

from composer.cli import main
from composer.problems import InputError


@pytest.fixture(scope="module")
def nodes(small: Any) -> dict[tuple[str, str], NodePlan]:
    plan = plan_document(small.document)
    return {
        (task.name, f"{stage.name}.{node.name}"): node
        for task in plan.tasks
        for stage in task.stages
        for node in stage.nodes
    }


def test_every_node_stands_in_its_stage(nodes: Mapping[tuple[str, str], NodePlan]) -> None:
    assert [name for task, name in nodes if task == "video-qa"] == [
        "encode.video",
        "encode.question",
        "encode.frames",
        "encode.words",
        "encode.fused",
        "encode.memory",
        "answer.start.answer",
        "answer.decode.answer",
    ]


def test_costs_are_those_of_the_arithmetic(nodes: Mapping[tuple[str, str], NodePlan]) -> None:
    scores = nodes["classify", "encode.scores"]
    batch, width, classes = 4, 16, 5
    assert scores.parameters == width * classes + classes
    assert scores.flops == 2 * batch * width * classes
    assert scores.moved_bytes >= 4 * (batch * width + scores.parameters + batch * classes)
    assert (scores.status, scores.engines) == ("supported", 1)


def test_the_workspace_is_what_lives_at_once(nodes: Mapping[tuple[str, str], NodePlan]) -> None:
    """One operation makes the scores of `classify`; joining states makes values and masks, which are all results."""
    batch, classes, width, question, frames = 4, 5, 16, 5, 10
    assert nodes["classify", "encode.scores"].workspace_bytes == 4 * batch * classes
    joined = question + frames
    assert nodes["video-qa", "encode.memory"].workspace_bytes >= 2 * (4 * joined * width + 8 * joined)


def _chain(x: torch.Tensor) -> torch.Tensor:
    first = x + 1  # 400 bytes, alive with what is made of it
    view = first.view(4, 25)  # no memory of its own
    second = view.sum(1)  # 16 bytes; from here on `first` is over
    parts = torch.stack([second] * 10).unbind()  # 160 bytes, in views
    return torch.cat(parts).add_(1)  # 160 bytes more: 16 is over


def test_the_workspace_of_a_chain_is_that_of_a_count_by_hand() -> None:
    traced = trace(_chain, {"x": torch.empty(100, device="meta")}, {})
    assert workspace_bytes(traced.graph) == 400 + 16
    longer = trace(lambda x: (_chain(x), x * 2), {"x": torch.empty(100, device="meta")}, {})
    assert workspace_bytes(longer.graph) == 160 + 400


def test_a_result_that_is_an_input_or_a_weight_takes_no_workspace() -> None:
    traced = trace(lambda x: x.view(-1), {"x": torch.empty(10, 10, device="meta")}, {})
    assert workspace_bytes(traced.graph) == 0


def test_parameters_are_those_of_the_module(small: Any, nodes: Mapping[tuple[str, str], NodePlan]) -> None:
    expected = sum(parameter.numel() for parameter in small.model.modules["vision"].parameters())
    assert nodes["video-qa", "encode.frames"].parameters == expected
    assert nodes["caption", "encode.frames"].parameters == expected


def test_a_node_knows_its_line(small: Any, nodes: Mapping[tuple[str, str], NodePlan]) -> None:
    line = 1 + small.document.read_text().splitlines().index(
        "      fused: {call: fusion, inputs: {text: words.states, vision: frames.states}}"
    )
    assert nodes["video-qa", "encode.fused"].place.endswith(f"small.yaml:{line}:7")


def test_what_falls_back_is_named_with_its_reason(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def partly(self: ExportBuilder, graph: fx.GraphModule) -> Mapping[fx.Node, Support]:
        norm = torch.ops.aten.native_layer_norm.default
        return {
            node: Support(node.target is not norm, "it is not liked here")
            for node in graph.graph.nodes
            if node.op == "call_function"
        }

    monkeypatch.setattr(ExportBuilder, "support", partly)
    plan = plan_document(small.document, tasks=["classify"])
    words = plan.tasks[0].stages[0].nodes[1]
    assert [(each.target, each.count) for each in words.fallbacks] == [("aten.native_layer_norm.default", 3)]
    assert (words.status, words.status_text, words.engines) == ("partial", "3 fall back", 4)
    assert "falls back: aten.native_layer_norm.default x 3, it is not liked here" in str(plan)


def test_the_command_prints_a_table_and_json(small: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", f"{small.document}:classify", "--plan", "--range", "batch=2..3"]) == 0
    assert "task classify with export (fp32, at batch 3, question.length 8)" in capsys.readouterr().out
    assert main(["compile", f"{small.document}:classify", "--plan", "--json", "--backend", "inductor"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["backend"] == "inductor"
    nodes = data["tasks"][0]["stages"][0]["nodes"]
    assert [(node["name"], node["status"]) for node in nodes] == [
        ("question", "nothing"),
        ("words", "supported"),
        ("vector", "supported"),
        ("scores", "supported"),
    ]
    jsonschema.validate(data, plan_schema())
    shipped = Path(composer_compile.__file__).parent / "plan" / "plan.schema.json"
    assert json.loads(shipped.read_text()) == plan_schema()
    del nodes[0]["status"]
    with pytest.raises(jsonschema.ValidationError, match="'status' is a required property"):
        jsonschema.validate(data, plan_schema())


def test_weights_are_counted_once_for_all_tasks(small: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """As the artifact has them, which the backend `export` keeps wholly beside its programs."""
    plan = plan_document(small.document)
    manifest = open_container(small.artifact).manifest
    sizes = [math.prod(each.shape) * DTYPES[each.dtype].itemsize for each in manifest.weights.values()]
    assert (plan.weights.stored_bytes, plan.weights.stored_tensors) == (sum(sizes), len(sizes))
    assert (plan.weights.held_bytes, plan.weights.held_tensors) == (0, 0)
    assert main(["compile", str(small.document), "--plan"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == (
        f"weights of all tasks: {sum(sizes) / 1000:.1f}kB in {len(sizes)} tensors, each stored once for all programs; "
        "none inside programs"
    )


def test_weights_inside_programs_are_counted_in_each(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def stored_once(self: ExportBuilder, tensors: Mapping[fx.Node, torch.Tensor], options: object) -> object:
        return [node for node, tensor in tensors.items() if tensor.dim() > 1]

    monkeypatch.setattr(ExportBuilder, "stored_once", stored_once, raising=False)
    one, all_ = (plan_document(small.document, tasks=names).weights for names in (["classify"], None))
    text, classes = (small.model.modules[name] for name in ("text", "classes"))
    tensors = [tensor for module in (text, classes) for tensor in module.state_dict().values()]
    assert one.stored_tensors == sum(tensor.dim() > 1 for tensor in tensors)
    assert one.held_tensors == sum(tensor.dim() == 1 for tensor in tensors)
    assert all_.held_tensors > one.held_tensors
    assert (
        "inside the programs that read them; what an engine takes besides is known when it is built"
        in str(one)
    )


def test_unknown_names_are_refused(small: Any) -> None:
    with pytest.raises(InputError, match="did you mean `classify`"):
        plan_document(small.document, tasks=["classfy"])


def test_a_backend_that_is_not_installed_names_the_extra(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from composer_compile.backends.tensorrt.tensorrt_loader import TensorRTLoader

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BackendError, match=r"multimodal-composer\[tensorrt-rtx\]"):
        TensorRTLoader().check_installed()


@pytest.mark.slow
def test_a_full_size_document_takes_little_memory(tmp_path: Path) -> None:
    """A billion parameters on the meta device."""
    code = (
        f"{PEAK}\nimport sys\nfrom composer.cli import main\n"
        "code = main(['compile', 'mplug2:image-caption', '--plan'])\n"
        "print('PEAK', peak() // 1024)\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    output, _, peak = done.stdout.rpartition("PEAK ")
    assert int(peak) < 3000
    assert "353.8M" in output  # the vision encoder's parameters
    assert "fallback" not in output


@pytest.mark.tensorrt
@pytest.mark.skipif(find_spec("torch_tensorrt") is None, reason="Torch-TensorRT is not installed")
def test_tensorrt_plans_without_a_gpu(small: Any) -> None:
    """In a process of its own: the library changes torch when it is imported."""
    command = ["compile", f"{small.document}:video-qa", "--plan", "--json", "--backend", "tensorrt"]
    code = f"import sys\nfrom composer.cli import main\nsys.exit(main({command!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    nodes = [node for stage in json.loads(done.stdout)["tasks"][0]["stages"] for node in stage["nodes"]]
    assert all(each["supported"] for node in nodes for each in node["operations"])


def test_a_node_is_planned_in_its_own_precision(small: Any) -> None:
    """Fewer bytes move where the numbers are half as long (masks and ids are as long as ever)."""

    def moved(**precision: Any) -> dict[str, int]:
        options = Options(**precision)
        plan = plan_document(small.document, tasks=["video-qa"], options=options)
        return {node.name: node.moved_bytes for stage in plan.tasks[0].stages for node in stage.nodes}

    full, low = moved(precision="fp32"), moved(precision="bf16")
    mixed = moved(precision="bf16", precisions={"fusion": "fp32"})
    assert low["fused"] < 0.75 * full["fused"]
    assert mixed["fused"] == full["fused"]
    assert mixed["frames"] == low["frames"]


def test_what_changes_in_place_is_traced_as_in_an_exported_program() -> None:
    """A backend would be asked for an operation that no program has."""

    def call(x: torch.Tensor) -> torch.Tensor:
        found = x * 2
        found += torch.ones((), device=x.device)
        found[:, 0] = 0
        return found

    traced = trace(call, {"x": torch.zeros(2, 3, device="meta")}, {})
    calls = [str(node.target) for node in traced.graph.graph.nodes if node.op == "call_function"]
    assert calls
    assert not any("_." in call for call in calls)
