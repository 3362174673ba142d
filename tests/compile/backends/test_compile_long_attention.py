"""Attention over long texts in a library: an operation of ours, where it pays at the largest sizes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from composer_compile.artifact.weight_store import WeightStore
from composer_compile.backends.inductor_builder import InductorBuilder
from composer_compile.backends.inductor_loader import InductorLoader
from composer_compile.options import BuildOptions
from composer_compile.tensors.specs import ProgramSpec, TensorSpec
from composer_compile.tensors.variants import variants_of
from operators import Operators
from torch import nn
from torch.nn import functional

from composer.graph import Range
from composer.types import Dim

OURS = "composer.attention.default"


class Grouped(nn.Module):
    """Four heads in two groups, each group repeated for its heads, as the library's causal models do."""

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        query, key, visible = tensors
        query, key = query.unflatten(2, (4, 16)).transpose(1, 2), key.unflatten(2, (2, 16)).transpose(1, 2)
        repeated = key.unsqueeze(2).expand(-1, -1, 2, -1, -1).flatten(1, 2)
        places = torch.arange(query.shape[2], device=query.device)
        seen = ((places[:, None] >= places) & (visible[:, None, :] > 0)) | (places[:, None] == places)
        # With the mask at its place or by its name, and with values that nothing repeats for the heads.
        found = functional.scaled_dot_product_attention(query, repeated, repeated, seen.unsqueeze(1))
        found = functional.scaled_dot_product_attention(
            found, repeated, query, attn_mask=seen.unsqueeze(1), scale=0.2
        )
        found = functional.scaled_dot_product_attention(found, repeated, repeated, is_causal=True)
        return (found.transpose(1, 2).flatten(2, 3) * 2,)


def given(length: int) -> tuple[torch.Tensor, ...]:
    visible = torch.ones(2, length, dtype=torch.int64)
    visible[1, : length // 3] = 0
    return torch.randn(2, length, 64), torch.randn(2, length, 32), visible


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
@pytest.mark.skipif(not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch has no oneDNN")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("faster", "longest", "ours"),
    [(True, 600, True), (True, 300, False), (False, 600, False)],
    ids=["long texts", "short texts", "another processor"],
)
def test_a_library_answers_as_the_module(faster: bool, longest: int, ours: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    batch, length = Dim.of("batch"), Dim.of("length")
    inputs = (
        TensorSpec("query", "float32", (batch, length, Dim(64))),
        TensorSpec("key", "float32", (batch, length, Dim(32))),
        TensorSpec("visible", "int64", (batch, length)),
    )
    result = TensorSpec("found", "float32", (batch, length, Dim(64)))
    ranges = {"batch": Range(1, 4, 2), "length": Range(1, longest, 16)}
    spec = ProgramSpec("encode", Grouped().eval(), inputs, (result,), ranges, ("found",))
    (variant,) = variants_of(spec.ranges)
    with mock.patch("composer.execution.attention.onednn_is_faster", return_value=faster):
        compiled = InductorBuilder().compile(spec, variant, WeightStore({}), BuildOptions())
        assert compiled.operations == ()  # nothing that a plugin must bring
        path = tmp_path / "program.pt2"
        path.write_bytes(compiled.content)
        run: Any = InductorLoader().load(lambda: path, memoryview(compiled.content), [], torch.device("cpu"))
        for size in (1, 7, longest):
            tensors = given(size)
            with torch.inference_mode(), Operators() as operators:
                (found,) = run(*tensors)
            assert (OURS in operators.seen) is ours
            torch.testing.assert_close(found, spec.module(*tensors)[0], rtol=1e-4, atol=1e-5)
