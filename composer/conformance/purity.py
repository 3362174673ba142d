"""The promise that a call leaves everything as it was: its inputs, and the module itself in eval mode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from composer.conformance.cases import MethodCase
from composer.conformance.outputs import difference, tensors_of
from composer.conformance.report import Failure
from composer.conformance.sample_inputs import make_inputs
from composer.conformance.symbol_sizes import bindings

__all__ = ["check_purity"]

REGISTERED = ("_parameters", "_buffers", "_modules")
"""Where a module keeps what it may keep."""


def check_purity(case: MethodCase) -> str:
    """Inputs and registered tensors are the same after a call, and what came before it does not change a result."""
    module = case.build.make()
    module.load_state_dict(case.build.module.state_dict(), strict=False)
    sizes = bindings(case.signature, case.partition, 1)[0]
    first, second = (
        make_inputs(case.signature, case.kinds, sizes, partition=case.partition, seed=seed) for seed in (0, 3)
    )
    given, state = tree_map_only(Tensor, torch.clone, first), _state(module)
    case.run(first, module)
    changed = [
        name
        for name in first
        if any(_differ(*two) for two in zip(tree_leaves(given[name]), tree_leaves(first[name]), strict=True))
    ]
    if changed:
        raise Failure(
            f"it changes its input {changed[0]} in place, which other nodes read too: work on a copy (`values + 1`, "
            "not `values += 1`)"
        )
    after = _state(module)
    touched = [name for name in state if name not in after or _differ(state[name], after[name])]
    touched += [name for name in after if name not in state]
    if touched or module.training:
        what = touched[0] if touched else "its mode"
        raise Failure(
            f"a call in eval mode changes {what} of the module, so that answers depend on earlier ones: change it "
            "while training alone (`if self.training`)"
        )
    return _check_memory(case, module, second)


def _check_memory(case: MethodCase, used: nn.Module, inputs: dict[str, object]) -> str:
    before = dict(_kept(used))
    fresh = case.build.make()
    fresh.load_state_dict(case.build.module.state_dict(), strict=False)
    one, other = (
        tensors_of(case.run(inputs, each), case.signature.outputs, case.kinds) for each in (used, fresh)
    )
    found = difference(one, other)
    if found:
        raise Failure(
            f"after a call with other inputs of the same sizes it gives something else than a fresh module: {found} "
            "(what does it remember?)"
        )
    changed = [name for name, tensors in _kept(used) if _are_others(before.get(name, ()), tensors)]
    if changed:
        raise Failure(
            f"it keeps `{changed[0]}` of the last call, which two calls at once would mix up, and which holds its "
            "memory: use a local variable, or give it back as an output"
        )
    return ""


def _kept(module: nn.Module) -> Iterator[tuple[str, Sequence[Tensor]]]:
    """Copies of the tensors in a module's attributes, but for parameters and buffers, by the attribute's name."""
    for path, part in module.named_modules():
        for name, value in vars(part).items():
            if name not in REGISTERED:
                held = [leaf.detach().clone() for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
                yield f"{path}.{name}".removeprefix("."), held


def _are_others(before: Sequence[Tensor], after: Sequence[Tensor]) -> bool:
    return len(before) != len(after) or any(map(_differ, before, after))


def _state(module: nn.Module) -> dict[str, Tensor]:
    named = [*module.named_parameters(), *module.named_buffers()]
    return {name: tensor.detach().clone() for name, tensor in named}


def _differ(one: object, other: object) -> bool:
    if not isinstance(one, Tensor) or not isinstance(other, Tensor):
        return False  # None, of what is optional
    return one.shape != other.shape or not torch.equal(one.nan_to_num(), other.nan_to_num())
