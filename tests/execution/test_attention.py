"""Attention over long texts by another library: the numbers of torch's, and torch's own where it does not pay."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from operators import Operators
from torch import Tensor
from torch.nn import functional

from composer.execution.attention import attention

ONEDNN = "mkldnn._linear_pointwise.default"


pytestmark = pytest.mark.usefixtures("on_such_a_processor")


def heads(groups: int = 2, length: int = 600, width: int = 16) -> tuple[Tensor, Tensor, Tensor]:
    """Queries of 4 heads, keys and values, of 3 texts; transposed, as linear maps leave them."""
    torch.manual_seed(0)
    shapes = ((4, width), (groups, width), (groups, 24))
    query, key, value = (torch.randn(3, length, *shape).transpose(1, 2) for shape in shapes)
    return query, key, value


def expected(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, **others: Any) -> Tensor:
    key, value = (each.repeat_interleave(4 // each.shape[1], 1) for each in (key, value))
    return functional.scaled_dot_product_attention(query, key, value, mask, **others)


def padded(length: int, *hidden: int) -> Tensor:
    """[B, 1, L, L]: every place sees itself and those before it, but for the first ones of each text."""
    places = torch.arange(length)
    seen = (places[:, None] >= places) & (places >= torch.tensor(hidden)[:, None, None])
    return (seen | (places[:, None] == places)).unsqueeze(1)


@pytest.mark.parametrize("groups", [1, 2, 4])
@torch.inference_mode()
def test_it_gives_the_numbers_of_torch(groups: int) -> None:
    query, key, value = heads(groups)
    places = torch.arange(600)
    by_head = (places[:, None] >= places).expand(1, 4, 600, 600).clone()
    by_head[:, 2, :, 3:9] = places[:, None].eq(places)[:, 3:9]
    window = (places[:, None] - places).abs() < 40
    padding = padded(600, 0, 7, 590)[:, :, -1:]
    for mask in (padded(600, 0, 7, 599), by_head, window.expand(3, 1, 600, 600), window[None, None], padding):
        with Operators() as operators:
            found = attention(query, key, value, mask, scale=0.3)
        assert (ONEDNN in operators.seen) is (groups < 4 or mask is not padding)
        torch.testing.assert_close(found, expected(query, key, value, mask, scale=0.3), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length", [420, 512, 513])
@torch.inference_mode()
def test_a_causal_mask_need_not_be_given(length: int) -> None:
    query, key, value = heads(length=length)
    with Operators() as operators:
        found = attention(query, key, value, causal=True)
    assert ONEDNN in operators.seen
    torch.testing.assert_close(found, expected(query, key, value, is_causal=True), rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_a_memory_of_another_length_is_read() -> None:
    query, _, _ = heads(length=450)
    _, key, value = heads(length=700)
    torch.testing.assert_close(
        attention(query, key, value), expected(query, key, value), rtol=1e-4, atol=1e-5
    )


@torch.inference_mode()
def test_a_memory_that_serves_all_texts_stays_with_torch() -> None:
    query, key, value = heads()
    with Operators() as operators:
        found = attention(query, key[:1], value[:1], causal=True)
    assert ONEDNN not in operators.seen
    torch.testing.assert_close(
        found, expected(query, key[:1], value[:1], is_causal=True), rtol=1e-4, atol=1e-5
    )


@torch.inference_mode()
def test_what_does_not_pay_or_is_not_known_stays_with_torch() -> None:
    query, key, value = heads()
    hidden = padded(600, 0, 7, 599)
    hidden[1, :, 9] = False  # this token sees nothing
    for mask in (hidden, torch.randn(3, 1, 600, 600)):
        with Operators() as operators:
            found = attention(query, key, value, mask)
        assert ONEDNN not in operators.seen
        torch.testing.assert_close(found, expected(query, key, value, mask), rtol=1e-4, atol=1e-5)
    short = heads(length=100)
    with Operators() as operators:
        attention(*short, causal=True)
        attention(*heads(4))  # a head for itself, and nothing hidden
        attention(*(each.double() for each in heads()))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            attention(*heads())
    assert ONEDNN not in operators.seen


def test_gradients_are_those_of_torch() -> None:
    query, key, value = (each.requires_grad_() for each in heads())
    (found,) = torch.autograd.grad(attention(query, key, value, causal=True).square().sum(), [key])
    (wanted,) = torch.autograd.grad(expected(query, key, value, is_causal=True).square().sum(), [key])
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)
