"""Engines are built for the smallest, best and largest sizes of the document, wherever a stage is cut into several."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

import pytest

SCRIPT = """
import json
import torch
from torch import nn
from composer.graph import Range
from composer.types import Dim
from composer_compile.backends.tensorrt.engine_build import BuildRecipe, build, exported_stage
from composer_compile.backends.tensorrt.tensorrt_library import library
from composer_compile.tensors.variants import variants_of
from composer_compile.tensors.specs import ProgramSpec, TensorSpec


class Between(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.rows = nn.Parameter(torch.randn(1, 17, 4))

    def forward(self, *tensors):
        states = torch.cat((self.rows.expand(tensors[0].shape[0], -1, -1), self.first(tensors[0])), 1)
        return (self.second(torch.logcumsumexp(states, 1)).tanh(),)


batch, length = Dim.of("batch"), Dim.of("length")
given = TensorSpec("states", "float32", (batch, length, Dim(4)))
result = TensorSpec("moved", "float32", (batch, length + Dim(17), Dim(4)))
ranges = {"batch": Range(1, 8, 5), "length": Range(1, 9, 6)}
spec = ProgramSpec("encode", Between().eval(), (given,), (result,), ranges, ("moved",))
recipe = BuildRecipe(targets=("8.9",), keep=(), require_full=False, memory_limit=None, timing_cache=None)
(variant,) = variants_of(ranges)
exported, _ = exported_stage(spec, variant, recipe)
found = []
with library((8, 9)):
    from torch_tensorrt.dynamo import partitioning

    noted = partitioning.construct_submodule_inputs

    def construct(*arguments, **keywords):
        inputs = noted(*arguments, **keywords)
        found.extend(each.shape for each in inputs)
        return inputs

    partitioning.construct_submodule_inputs = construct
    build(exported, spec, variant, recipe, torch.device("cpu"), {})
print(json.dumps([list(each.values()) for each in found]))
"""


@pytest.mark.tensorrt
@pytest.mark.skipif(find_spec("torch_tensorrt") is None, reason="Torch-TensorRT is not installed")
def test_every_engine_of_a_stage_has_the_sizes_of_the_document() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout.splitlines()[-1])
    assert first == [[1, 1, 4], [5, 6, 4], [8, 9, 4]]
    assert second == [[1, 17 + 1, 4], [5, 17 + 6, 4], [8, 17 + 9, 4]]
