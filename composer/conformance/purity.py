"""The promise that a call leaves everything as it was: its inputs, and the module itself in eval mode."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from composer.conformance.cases import MethodCase
from composer.conformance.outputs import difference, tensors_of
from composer.conformance.report import Failure
from composer.conformance.sample_inputs import make_inputs
from composer.conformance.symbol_sizes import bindings

__all__ = ["check_purity"]


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
    return ""


def _state(module: nn.Module) -> dict[str, Tensor]:
    named = [*module.named_parameters(), *module.named_buffers()]
    return {name: tensor.detach().clone() for name, tensor in named}


def _differ(one: object, other: object) -> bool:
    if not isinstance(one, Tensor) or not isinstance(other, Tensor):
        return False  # None, of what is optional
    return one.shape != other.shape or not torch.equal(one.nan_to_num(), other.nan_to_num())
