"""How a graph is written anew for the library: what stays in float32, and what its converters do not take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from composer_compile.backends.tensorrt.graph_preparing import prepare_graph, write_out_attentions
from composer_compile.backends.tensorrt.keep_list import KEPT, apply_keep_list
from torch import Tensor, nn


class Attending(nn.Module):
    """Norm, attention with a mask, a softmax of its own and logits: what the keep-list is about."""

    def __init__(self, *, causal: bool = False, fixed: bool = False) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 5)
        self.latents = nn.Parameter(torch.randn(1, 2, 3, 4))
        self.causal = causal
        self.fixed = fixed

    def forward(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        normed = self.norm(states)
        parts = normed.unflatten(-1, (2, 4)).transpose(1, 2)
        query = self.latents if self.fixed else parts
        attended = nn.functional.scaled_dot_product_attention(
            query, parts, parts, attn_mask=None if self.causal else mask, is_causal=self.causal
        )
        shares = torch.softmax(normed, -1)
        copied = shares.clone()
        return attended, shares, copied, self.head(normed)


RANKED = (False, False, False, True)
"""Which results hold scores: the last."""


def exported(module: nn.Module, dtype: torch.dtype) -> torch.export.ExportedProgram:
    torch.manual_seed(3)
    states, mask = torch.randn(2, 3, 8, dtype=dtype), torch.tensor([[True, True, False], [True, True, True]])
    length = torch.export.Dim("length", min=2, max=9)
    with torch.no_grad():
        return torch.export.export(
            module.to(dtype).eval(),
            (states, mask[:, None, None]),
            dynamic_shapes=({1: length}, {3: length}),
        )


def _formats(program: torch.export.ExportedProgram, target: Any) -> list[torch.dtype]:
    return [node.meta["val"].dtype for node in program.graph.nodes if node.target is target]


def _free(program: torch.export.ExportedProgram) -> list[tuple[int, int]]:
    """Input and axis of every size that requests choose."""
    inputs = set(program.graph_signature.user_inputs)
    shapes = [node.meta["val"].shape for node in program.graph.nodes if node.name in inputs]
    return [
        (position, axis)
        for position, shape in enumerate(shapes)
        for axis, size in enumerate(shape)
        if not isinstance(size, int)
    ]


aten = torch.ops.aten


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("causal", [False, True])
def test_norms_softmax_and_logits_stay_in_float32(dtype: torch.dtype, causal: bool) -> None:
    module = Attending(causal=causal)
    program = exported(module, dtype)
    apply_keep_list(program, KEPT, RANKED)
    assert _formats(program, aten.layer_norm.default) == [torch.float32]
    assert _formats(program, aten.softmax.int) == [torch.float32, torch.float32]
    assert _formats(program, aten.linear.default) == [torch.float32]
    assert not _formats(program, aten.scaled_dot_product_attention.default)
    assert _free(program) == [(0, 1), (1, 3)]
    states = torch.randn(2, 5, 8).to(dtype)
    mask = torch.tensor([[True, False, True, True, True], [True] * 5])[:, None, None]
    with torch.no_grad():
        ours = program.module()(states, mask)
        theirs = module.float()(states.float(), mask)
    assert {each.dtype for each in ours} == {dtype}
    tolerance = 4e-3 if dtype == torch.float16 else 3e-2
    for mine, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.float(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("keep", "norms", "softmaxes", "linear"),
    [
        ((), "float16", ["float16"], "float16"),
        (("norms",), "float32", ["float16"], "float16"),
        (("softmax", "logits"), "float16", ["float32"], "float32"),
    ],
)
def test_the_keep_list_is_an_option(
    keep: Sequence[str], norms: str, softmaxes: list[str], linear: str
) -> None:
    program = exported(Attending(), torch.float16)
    apply_keep_list(program, keep, RANKED)
    assert _formats(program, aten.layer_norm.default) == [getattr(torch, norms)]
    assert _formats(program, aten.softmax.int) == [getattr(torch, each) for each in softmaxes]
    assert _formats(program, aten.linear.default) == [getattr(torch, linear)]
    assert _formats(program, aten.scaled_dot_product_attention.default) == [torch.float16]


def test_a_float32_program_is_left_alone() -> None:
    program = exported(Attending(), torch.float32)
    before = str(program.graph)
    apply_keep_list(program, KEPT, RANKED)
    assert str(program.graph) == before


@pytest.mark.parametrize(("dtype", "left"), [(torch.float16, []), (torch.float32, [torch.float32])])
def test_attention_of_lower_precision_is_written_out_for_a_library_that_takes_it_apart(
    dtype: torch.dtype, left: list[torch.dtype]
) -> None:
    program = exported(Attending(), dtype)
    write_out_attentions(program)
    assert _formats(program, aten.scaled_dot_product_attention.default) == left


class Caching(nn.Module):
    """Writes one row into a cache."""

    def forward(self, cache: Tensor, row: Tensor, position: Tensor) -> Tensor:
        return cache.index_copy(1, position, row)


def test_what_the_converters_do_not_take_is_written_so_that_they_do() -> None:
    module = Attending(fixed=True)
    program = exported(module, torch.float32)
    prepare_graph(program)
    targets = {node.target for node in program.graph.nodes}
    assert not targets & {aten.clone.default, aten.scaled_dot_product_attention.default}
    states, mask = torch.randn(2, 4, 8), torch.ones(2, 1, 1, 4, dtype=torch.bool)
    with torch.no_grad():
        for ours, theirs in zip(program.module()(states, mask), module(states, mask), strict=True):
            torch.testing.assert_close(ours, theirs)
    batch = torch.export.Dim("batch", min=2, max=9)
    inputs = (torch.randn(3, 4, 2), torch.randn(3, 1, 2), torch.tensor([2]))
    program = torch.export.export(Caching(), inputs, dynamic_shapes=({0: batch}, {0: batch}, None))
    prepare_graph(program)
    assert aten.index_copy.default not in {node.target for node in program.graph.nodes}
    assert torch.equal(program.module()(*inputs), Caching()(*inputs))
