"""Which weights the optimizer treats alike: learning rate and decay by name, and what a recipe freezes."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from composer.graph.low_rank import within
from composer.language import Tree
from composer.problems import Problem
from composer.problems.suggest import listed, nearest
from composer.recipes import Recipe
from composer.weights.names import collapse

__all__ = ["frozen_by_recipe", "names_without_weights", "optimizer_of"]


def optimizer_of(modules: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW that decays matrices, and leaves offsets, norms and other vectors alone, unless the recipe says otherwise.

    Every group has a `peak`, its highest learning rate.
    """
    named = {name: p for name, p in modules.named_parameters() if p.requires_grad}
    owners = {name for name, _ in modules.named_children()}
    usual = recipe.learning_rate
    groups: dict[tuple[float, float], list[nn.Parameter]] = {
        (usual, recipe.weight_decay): [],
        (usual, 0.0): [],
    }
    for name, parameter in named.items():
        decay = recipe.weight_decay if parameter.ndim >= 2 else 0.0
        own = _value(recipe, name, "weight_decay", owners)
        key = (_value(recipe, name, "learning_rate", owners) or usual, decay if own is None else own)
        groups.setdefault(key, []).append(parameter)
    betas = (recipe.optimizer.betas[0], recipe.optimizer.betas[1])
    made = [
        {"params": parameters, "weight_decay": decay, "peak": peak}
        for (peak, decay), parameters in groups.items()
        if parameters or not recipe.optimizer.groups
    ]
    return torch.optim.AdamW(made, lr=recipe.learning_rate, betas=betas, eps=recipe.optimizer.eps)


def frozen_by_recipe(recipe: Recipe, modules: Mapping[str, nn.Module]) -> dict[str, frozenset[str]]:
    """The weights and buffers of modules that the recipe freezes, by their names in the module."""
    found: dict[str, frozenset[str]] = {}
    if any(group.freeze for group in recipe.optimizer.groups):
        for module, part in modules.items():
            names = [name for name in _names(part) if _value(recipe, f"{module}.{name}", "freeze", modules)]
            if names:
                found[module] = frozenset(names)
    return found


def names_without_weights(
    recipe: Recipe, modules: Mapping[str, nn.Module], declared: Container[str], tree: Tree
) -> Iterator[Problem]:
    """C420: a name of the recipe's groups that no module has; those of modules that no chosen task uses are let be."""
    names = [f"{module}.{name}" for module, part in modules.items() for name in _names(part)]
    for index, group in enumerate(recipe.optimizer.groups):
        for pattern in dict.fromkeys(group.weights):
            if any(_stands_for(pattern, name, modules) for name in names):
                continue
            if pattern.partition(".")[0] in declared and pattern.partition(".")[0] not in modules:
                continue
            path = ("optimizer", "groups", index, "weights", group.weights.index(pattern))
            guess = nearest(pattern, [*modules, *names])
            helps = [f"did you mean `{guess}`?"] if guess else []
            helps.append(f"there are: {listed(pattern, tuple(collapse(names)))}")
            message = f"no module that is trained has a weight or a part called `{pattern}`"
            yield Problem("C420", "error", message, tree.place(path), helps=tuple(helps))


def _value(recipe: Recipe, name: str, key: str, modules: Container[str]) -> Any:
    """What the first entry says that names a weight and gives the value; None where none does."""
    for group in recipe.optimizer.groups:
        value = getattr(group, key)
        if value is not None and any(_stands_for(pattern, name, modules) for pattern in group.weights):
            return value
    return None


def _stands_for(pattern: str, name: str, modules: Container[str]) -> bool:
    """Whether a pattern means a weight. What begins with the name of a module means that module's alone: `head` is not
    the head of another one.
    """
    owner = name.partition(".")[0]
    if pattern.partition(".")[0] in modules and pattern.partition(".")[0] != owner:
        return False
    return within(name, [pattern])


def _names(module: nn.Module) -> list[str]:
    every = (*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False))
    return [name for name, _ in every]
