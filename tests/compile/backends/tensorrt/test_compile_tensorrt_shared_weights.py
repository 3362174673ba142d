"""Large weights become inputs of an engine, everything else stays inside, and the results stay the same."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import Literal

import pytest
import torch
from composer_compile.artifact.weight_store import WeightStore, content_key
from composer_compile.backends.tensorrt.engine_build import BuildRecipe, exported_stage
from composer_compile.backends.tensorrt.engine_graph import read_graph
from composer_compile.backends.tensorrt.program_file import TorchStep
from composer_compile.backends.tensorrt.tensorrt_builder import TensorRTBuilder
from composer_compile.options import BuildOptions
from composer_compile.plan.trace import trace
from composer_compile.tensors.specs import ProgramSpec, TensorSpec
from composer_compile.tensors.variants import Variant, variants_of
from torch import Tensor, fx, nn

from composer.graph import Range
from composer.types import Dim

pytestmark = [
    pytest.mark.tensorrt,
    pytest.mark.skipif(find_spec("torch_tensorrt") is None, reason="Torch-TensorRT is not installed"),
]

RANGES = {"batch": Range(1, 4, 2), "length": Range(1, 9, 6)}


class Tables(nn.Module):
    """Every way in which a stage reads its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(200, 64)
        self.patches = nn.Conv2d(3, 64, 8, 8)
        self.groups = nn.Conv2d(64, 64, 3, padding=1, groups=2)
        self.wide = nn.Linear(64, 256)
        self.back = nn.Linear(256, 64)
        self.norm = nn.LayerNorm(64)
        self.positions = nn.Parameter(torch.randn(1, 100, 64))  # added, and so constant
        self.scaled = nn.Parameter(torch.randn(64, 64))  # a product reads it, and a sum does
        self.scores = nn.Linear(64, 200, bias=False)
        self.scores.weight = self.words.weight

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        ids, pixels = tensors
        grid = self.groups(self.patches(pixels)).flatten(2).transpose(1, 2)
        states = torch.cat((self.words(ids), grid), 1)
        states = states + self.positions[:, : states.shape[1]]
        states = states @ self.scaled + self.scaled.mean()
        states = states + self.back(torch.nn.functional.gelu(self.wide(states)))
        return (self.scores(self.norm(states)),)


def stage(dtype: torch.dtype = torch.float32) -> ProgramSpec:
    torch.manual_seed(3)
    batch, length = (Dim.of(name) for name in RANGES)
    name = str(dtype).removeprefix("torch.")
    given = (
        TensorSpec("ids", "int64", (batch, length)),
        TensorSpec("pixels", name, (batch, Dim(3), Dim(32), Dim(32))),
    )
    result = TensorSpec("logits", name, (batch, length + Dim(16), Dim(200)))
    return ProgramSpec("encode", Tables().eval().to(dtype), given, (result,), RANGES, ("words", "picture"))


def recipe(**changes: object) -> BuildRecipe:
    chosen = {"keep": (), "require_full": False, "memory_limit": None, "timing_cache": None, **changes}
    return BuildRecipe(targets=("8.9",), **chosen)  # type: ignore[arg-type]


@pytest.fixture
def variant() -> Variant:
    (found,) = variants_of(RANGES)
    return found


def given(batch: int, length: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    return torch.randint(0, 200, (batch, length)), torch.randn(batch, 3, 32, 32).to(dtype)


def test_large_tables_are_inputs_and_the_rest_is_inside(variant: Variant) -> None:
    spec = stage()
    exported, shared = exported_stage(spec, variant, recipe())
    assert {content_key(tensor) for tensor in shared.values()} == {
        content_key(table)
        for table in (
            spec.module.get_parameter(f"{name}.weight") for name in ("words", "patches", "wide", "back")
        )
    }
    assert len(shared) == 4  # tied tables are one
    held = sum(tensor.numel() for tensor in exported.state_dict.values())
    own = dict(spec.module.named_parameters())
    inside = sum(own[name].numel() for name in ("groups.weight", "positions", "scaled"))
    assert inside < held < inside + 2000


@pytest.mark.parametrize("weights", ["shared", "held"])
def test_the_plan_says_which_they_will_be(variant: Variant, weights: Literal["shared", "held"]) -> None:
    """It traces the stage otherwise than the build does, operation by operation."""
    builder = TensorRTBuilder()
    with torch.device("meta"):
        module = stage().module
    ids, pixels = (each.to("meta") for each in given(3, 6))
    inputs = {"ids": ids, "pixels": pixels}
    traced = trace(lambda **ports: module(*ports.values()), inputs, builder.decompositions())
    read: dict[fx.Node, Tensor] = {
        node: getattr(traced.graph, str(node.target)) for node in traced.graph.graph.find_nodes(op="get_attr")
    }
    found = builder.stored_once(read, BuildOptions(engine_weights=weights))
    _, shared = exported_stage(stage(), variant, recipe(weights=weights))
    assert {id(read[node]) for node in found} == {id(module.get_parameter(name)) for name in shared}


def test_held_weights_are_all_inside(variant: Variant) -> None:
    spec = stage()
    exported, shared = exported_stage(spec, variant, recipe(weights="held"))
    assert shared == {}
    assert sum(each.numel() for each in exported.parameters()) >= sum(
        each.numel() for each in spec.module.parameters()
    )


@pytest.mark.parametrize("keep", [(), ("norms", "softmax", "attention", "logits")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_program_with_shared_weights_gives_the_same(
    variant: Variant, dtype: torch.dtype, keep: tuple[str, ...]
) -> None:
    """After it went to the process that builds as a file, too."""
    spec = stage(dtype)
    exported, shared = exported_stage(spec, variant, recipe(keep=keep))
    buffer = io.BytesIO()
    torch.export.save(exported, buffer)
    run = torch.export.load(io.BytesIO(buffer.getvalue())).module()
    with torch.no_grad():
        for batch, length in ((2, 6), (4, 9)):
            raw = given(batch, length, dtype)
            (ours,), (theirs,) = run(*shared.values(), *raw), spec.module(*raw)
            close = 1e-5 if dtype == torch.float32 else 0.05
            torch.testing.assert_close(ours, theirs, rtol=close, atol=close)


def test_the_file_of_a_program_names_the_shared_weights_and_the_store_has_each_once(variant: Variant) -> None:
    """Nothing goes to an engine here: the whole stage stays with torch, and takes its weights all the same."""
    spec = stage()
    store = WeightStore({"it": spec.module})
    exported, shared = exported_stage(spec, variant, recipe())
    keys = [store.key(tensor, name) for name, tensor in shared.items()]
    graph = exported.module()
    packed = read_graph(
        graph, spec, variant, store, made_with={}, targets=["8.9"], left=[], graphs=False, shared=keys
    )
    (step,) = packed.program.steps
    assert isinstance(step, TorchStep)
    assert packed.program.shared == keys
    assert set(keys) < set(packed.program.weights)
    assert [each.name for each in packed.program.inputs] == ["ids", "pixels"]
    assert sorted(packed.program.constants.values()) == [packed.program.weights.index(key) for key in keys]
