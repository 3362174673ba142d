"""Linear maps by another library: the same numbers, only where they pay; training, export and checkpoints see none."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest
import torch
from operators import Operators
from torch import nn
from torch.nn import functional

from composer.execution.linear import linear, onednn_is_faster, use_fastest_linears

WIDE = (64, 256, 512)
"""Rows, inputs and outputs of a map that is large enough to pay."""


pytestmark = pytest.mark.usefixtures("on_such_a_processor")


def values_and_map(
    rows: int, inputs: int, outputs: int, *, bias: bool = True
) -> tuple[torch.Tensor, nn.Linear]:
    torch.manual_seed(0)
    return torch.randn(2, rows, inputs), nn.Linear(inputs, outputs, bias=bias)


def operators_of(module: nn.Module, values: torch.Tensor) -> set[str]:
    with Operators() as operators:
        module(values)
    return set(operators.seen)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("contiguous", [True, False])
def test_it_gives_the_numbers_of_torch(bias: bool, contiguous: bool) -> None:
    values, plain = values_and_map(*WIDE, bias=bias)
    if not contiguous:
        values = values.transpose(0, 1)
    with torch.inference_mode():
        expected = functional.linear(values, plain.weight, plain.bias)
        torch.testing.assert_close(linear(values, plain.weight, plain.bias), expected, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_large_maps_run_by_onednn_and_small_ones_do_not() -> None:
    large_values, large = values_and_map(*WIDE)
    small_values, small = values_and_map(5, 96, 96)
    use_fastest_linears(nn.Sequential(large, small))
    assert "mkldnn._linear_pointwise.default" in operators_of(large, large_values)
    assert "mkldnn._linear_pointwise.default" not in operators_of(small, small_values)


@pytest.mark.parametrize("shape", [(576,), (1, 1, 576), (2, 3, 576), (3, 2, 576)])
@pytest.mark.parametrize("bias", [True, False])
@torch.inference_mode()
def test_a_few_rows_run_as_a_batch_of_pieces_of_the_weight(shape: tuple[int, ...], bias: bool) -> None:
    """A step of a decoder: few multiplications, and the time is that of reading the weight."""
    _, plain = values_and_map(1, 576, 592, bias=bias)
    values = torch.randn(shape)
    if len(shape) == 3:
        values = values.transpose(0, 1)
    expected = functional.linear(values, plain.weight, plain.bias)
    use_fastest_linears(plain)
    assert "aten.bmm.default" in operators_of(plain, values)
    found = plain(values)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert found.is_contiguous()


@torch.inference_mode()
def test_a_weight_that_does_not_part_evenly_runs_by_onednn() -> None:
    _, plain = values_and_map(1, 576, 577)
    use_fastest_linears(plain)
    assert "mkldnn._linear_pointwise.default" in operators_of(plain, torch.randn(1, 1, 576))


@torch.inference_mode()
def test_no_rows_give_no_rows() -> None:
    _, plain = values_and_map(1, 576, 576)
    use_fastest_linears(plain)
    assert plain(torch.empty(0, 1, 576)).shape == (0, 1, 576)


@torch.inference_mode()
def test_a_weight_that_changes_is_read_as_it_is_now() -> None:
    _, plain = values_and_map(1, 576, 576, bias=False)
    use_fastest_linears(plain)
    values = torch.randn(1, 1, 576)
    before = plain(values)
    plain.load_state_dict({"weight": plain.weight * 2})
    torch.testing.assert_close(plain(values), before * 2)


def test_training_has_its_gradients() -> None:
    values, plain = values_and_map(*WIDE)
    plain(values).square().mean().backward()
    expected = plain.weight.grad
    plain.weight.grad = None
    use_fastest_linears(plain)
    plain(values).square().mean().backward()
    assert plain.weight.grad is not None
    assert expected is not None
    torch.testing.assert_close(plain.weight.grad, expected)


@torch.inference_mode()
def test_half_precision_and_autocast_stay_with_torch() -> None:
    values, plain = values_and_map(*WIDE)
    use_fastest_linears(plain)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert plain(values).dtype is torch.bfloat16
    plain.to(torch.bfloat16)
    assert "mkldnn._linear_pointwise.default" not in operators_of(plain, values.to(torch.bfloat16))


def test_keys_and_a_captured_graph_do_not_change() -> None:
    values, plain = values_and_map(*WIDE)
    keys = list(plain.state_dict())
    use_fastest_linears(plain)
    assert list(plain.state_dict()) == keys
    rows = torch.export.Dim("rows", min=1, max=1000)  # small maps and large ones in one graph
    with torch.no_grad():
        graph = torch.export.export(plain, (values,), dynamic_shapes=({1: rows},)).graph
    assert [n.target for n in graph.nodes if n.op == "call_function"] == [torch.ops.aten.linear.default]


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="this torch has no MKL to be faster than")
@pytest.mark.parametrize(
    ("maker", "capability", "expected"),
    [("AuthenticAMD", "AVX512", True), ("AuthenticAMD", "AVX2", False), ("GenuineIntel", "AVX512", False)],
)
def test_it_is_on_for_the_processors_that_gain(
    tmp_path: Path, maker: str, capability: str, expected: bool
) -> None:
    onednn_is_faster.cache_clear()
    processor = tmp_path / "cpuinfo"
    processor.write_text(f"vendor_id\t: {maker}\n", encoding="ascii")
    try:
        with (
            mock.patch("composer.execution.linear._CPUINFO", processor),
            mock.patch("torch.backends.cpu.get_cpu_capability", return_value=capability),
        ):
            assert onednn_is_faster() is expected
    finally:
        onednn_is_faster.cache_clear()
