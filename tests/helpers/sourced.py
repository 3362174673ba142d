"""A document of three small modules, weights for it, and files that hold them in several ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from composer.execution import Model

__all__ = ["DOCUMENT", "Tensors", "below", "holds", "save", "sources", "tensors_of_all"]

DOCUMENT = """\
composer: 1
name: parts
parameters: {checkpoint: first.safetensors}
modules:
  first: {uses: core.linear, with: {input_dim: 3, output_dim: 4}%s}
  second: {uses: core.linear, with: {input_dim: 4, output_dim: 4}%s}
  third: {uses: core.linear, with: {input_dim: 4, output_dim: 2}%s}
tasks:
  whole:
    inputs: {x: {modality: array, with: {kind: states, dims: [B, 2, 3]}}}
    nodes:
      a: {call: first, inputs: x}
      b: {call: second, inputs: a}
      c: {call: third, inputs: b}
    outputs: {y: c}
  half:
    inputs: {x: {modality: array, with: {kind: states, dims: [B, 2, 3]}}}
    nodes: {a: {call: first, inputs: x}}
    outputs: {y: a}
"""

Tensors = dict[str, torch.Tensor]


def tensors_of_all() -> Tensors:
    """Weights of the whole document."""
    generator = torch.Generator().manual_seed(7)
    shapes = {"first": (4, 3), "second": (4, 4), "third": (2, 4)}
    found = {}
    for name, shape in shapes.items():
        found[f"{name}.map.weight"] = torch.randn(shape, generator=generator)
        found[f"{name}.map.bias"] = torch.randn(shape[:1], generator=generator)
    return found


def save(path: str | Path, tensors: Tensors, **beside: Any) -> Path:
    """A safetensors file, or one of torch.save with the tensors at the top or, with others beside them, in `ema`."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    own = {key: value.clone() for key, value in tensors.items()}
    if str(path).endswith(".safetensors"):
        save_file(own, path)
    else:
        torch.save({"ema": own, **beside} if beside else own, path)
    return Path(path)


def below(tensors: Tensors, module: str, prefix: str = "") -> Tensors:
    """The tensors of one module, without its name, and with a prefix."""
    start = f"{module}."
    return {
        prefix + key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)
    }


def holds(model: Model, tensors: Tensors, *modules: str) -> bool:
    """Whether modules have exactly these weights."""
    return all(
        torch.equal(value, tensors[f"{name}.{key}"])
        for name in modules
        for key, value in model.modules[name].state_dict().items()
    )


def sources(model: Model) -> dict[str, str]:
    """Every module with what the report says gave it its weights."""
    assert model.loading is not None
    return {module.name: module.source for module in model.loading.modules}
