"""Less memory for more time: layers that compute their values anew for the gradient and do not keep them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from composer.graph.checked import split_part

__all__ = ["recompute_layers"]


def recompute_layers(running: Mapping[str, nn.Module], names: Sequence[str]) -> None:
    """Let the layers of the named modules, of what runs the nodes, keep their inputs alone: the parts of the outermost
    lists of parts (`nn.ModuleList`, `nn.Sequential`), or the whole module where it has no list.

    Random numbers of a layer (dropout) are drawn anew as they were; gradients are the same.
    """
    for name, module in running.items():
        if split_part(name)[0] not in names:
            continue
        for layer in _layers(module):
            if not isinstance(layer.forward, _Recomputed):
                layer.forward = _Recomputed(layer.forward)


class _Recomputed:
    """The forward pass of a layer, whose inner values are forgotten and computed again."""

    def __init__(self, forward: Callable[..., Any]) -> None:
        self._forward = forward
        functools.update_wrapper(self, forward)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if not torch.is_grad_enabled():
            return self._forward(*arguments, **named)
        return checkpoint(self._forward, *arguments, use_reentrant=False, **named)


def _layers(module: nn.Module) -> list[nn.Module]:
    """The parts of the outermost lists, or the module itself."""
    found: list[nn.Module] = []
    inside: list[str] = []
    for path, part in module.named_modules():
        if isinstance(part, (nn.ModuleList, nn.Sequential)) and not any(
            path.startswith(f"{outer}.") for outer in inside
        ):
            inside.append(path)
            found += [child for child in part if any(True for _ in child.parameters())]
    return found or [module]
