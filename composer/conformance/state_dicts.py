"""The promise that a module's state dict is all there is to it."""

from __future__ import annotations

import torch

from composer.conformance.cases import MethodCase, stir
from composer.conformance.outputs import difference, tensors_of
from composer.conformance.report import Failure
from composer.conformance.sample_inputs import make_inputs
from composer.conformance.symbol_sizes import bindings

__all__ = ["check_weights"]


def check_weights(case: MethodCase) -> str:
    """A second module that loads the first one's state dict gives the same outputs; a stateless type has none."""
    module = case.build.module
    state = module.state_dict()
    others = [name for name, item in state.items() if not isinstance(item, torch.Tensor)]
    if others:
        raise Failure(f"its state dict holds {others[0]}, which is not a tensor and cannot be saved")
    if case.build.entry.stateless and state:
        raise Failure(f"it is declared stateless but owns {', '.join(list(state)[:3])}")
    second = case.build.make()
    stir(second, seed=1)
    if second is module or any(
        one is two for one, two in zip(module.parameters(), second.parameters(), strict=False)
    ):
        raise Failure("its builder gives the same weights twice; every call must make its own")
    try:
        second.load_state_dict(state)
    except RuntimeError as error:
        raise Failure(f"a second module refuses its state dict: {' '.join(str(error).split())}") from None
    sizes = bindings(case.signature, case.partition, 1)[0]
    inputs = make_inputs(case.signature, case.kinds, sizes, partition=case.partition)
    outputs = [
        tensors_of(case.run(inputs, each), case.signature.outputs, case.kinds) for each in (module, second)
    ]
    found = difference(*outputs)
    if found:
        raise Failure(f"with the same state dict, a second module gives something else: {found}")
    return ""
