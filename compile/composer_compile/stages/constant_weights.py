"""Weights that a module makes of others at every call, as a weight norm does: made once, before compiling."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.nn.utils import remove_weight_norm
from torch.nn.utils.parametrize import is_parametrized, type_before_parametrizations
from torch.nn.utils.weight_norm import WeightNorm

__all__ = ["fold_weights"]


def fold_weights(modules: Iterable[nn.Module]) -> None:
    """Give every part whose weights are computed (`torch.nn.utils.parametrize`, or the older weight norm) the result.

    In place: what it was made of is gone, and the module answers as before.
    """
    for part in {part: None for module in modules for part in module.modules()}:
        if is_parametrized(part):
            _unwrap(part)
        for hook in list(part._forward_pre_hooks.values()):
            if isinstance(hook, WeightNorm):
                remove_weight_norm(part, hook.name)


def _unwrap(part: nn.Module) -> None:
    """As torch's `remove_parametrizations`, but that leaves the class alone, which copies of the part have too."""
    made = {name: getattr(part, name).detach() for name in part.parametrizations}  # type: ignore[union-attr]
    part.__class__ = type_before_parametrizations(part)
    del part.parametrizations
    for name, value in made.items():
        part.register_parameter(name, nn.Parameter(value, requires_grad=False))
