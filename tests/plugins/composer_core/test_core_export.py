"""Every core module exports with free batch and length, and the exported program agrees at other sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.export import Dim

from composer.types import States

Build = Callable[..., Any]
Inputs = Callable[[int, int], dict[str, Any]]


def _states(batch: int, length: int) -> States:
    mask = torch.ones(batch, length, dtype=torch.int64)
    mask[0, 1:] = 0
    return States(torch.randn(batch, length, 4), mask)


def _masked(batch: int, length: int) -> dict[str, Any]:
    return {"states": _states(batch, length)}


def _bare(batch: int, length: int) -> dict[str, Any]:
    return {"states": States(torch.randn(batch, length, 4), None)}


def _two(batch: int, length: int) -> dict[str, Any]:
    return {"first": _states(batch, length), "second": States(torch.randn(batch, length, 4), None)}


def _embedding(batch: int, length: int) -> dict[str, Any]:
    return {"embedding": torch.randn(batch, 4)}


def _pairs(batch: int, length: int) -> dict[str, Any]:
    return {"queries": torch.randn(batch, 4), "candidates": torch.randn(length, 4)}


def _tokens(batch: int, length: int) -> dict[str, Any]:
    return {"logits": torch.randn(batch, length, 7), "labels": torch.randint(7, (batch, length))}


def _classes(batch: int, length: int) -> dict[str, Any]:
    return {"scores": torch.randn(batch, 7), "classes": torch.randint(7, (batch,))}


def _counted(batch: int, length: int) -> dict[str, Any]:
    return {"states": _states(batch, length), "counts": torch.arange(1, batch + 1)}


CASES: Mapping[str, tuple[str, dict[str, Any], Inputs]] = {
    "concat": ("core.concat", {}, _two),
    "add": ("core.add", {}, _two),
    "repeat": ("core.repeat", {}, _counted),
    "select": ("core.select", {"position": 1}, _masked),
    "mean": ("core.pool", {}, _masked),
    "mean-bare": ("core.pool", {}, _bare),
    "max": ("core.pool", {"how": "max"}, _masked),
    "normalise": ("core.normalise", {}, _embedding),
    "similarity": ("core.similarity", {"scale": 2.0}, _pairs),
    "linear": ("core.linear", {"input_dim": 4, "output_dim": 6}, _masked),
    "layer_norm": ("core.layer_norm", {"dim": 4}, _bare),
    "class_loss": ("core.class_loss", {}, _classes),
    "token_loss": ("core.token_loss", {"shift": True}, _tokens),
}


def _free(value: Any) -> Any:
    """Leading dimensions free, the width fixed."""
    if isinstance(value, Tensor):
        return {axis: Dim.DYNAMIC for axis in range(min(value.ndim, 2)) if value.shape[axis] not in (4, 7)}
    return None if value is None else States(*(_free(part) for part in value))


@pytest.mark.parametrize("case", CASES)
def test_it_exports_with_free_sizes(build: Build, case: str) -> None:
    identity, config, inputs = CASES[case]
    torch.manual_seed(0)
    module = build(identity, **config)
    example = inputs(3, 5)
    exported = torch.export.export(
        module, (), example, dynamic_shapes={name: _free(value) for name, value in example.items()}
    ).module()
    for sizes in ((2, 6), (6, 9)):
        again = inputs(*sizes)
        torch.testing.assert_close(exported(**again), module(**again))
