"""The promise of training: in train mode a method gives what it declares, and a plain call can be learnt from."""

from __future__ import annotations

import torch
from torch import Tensor

from composer.conformance.cases import MethodCase
from composer.conformance.outputs import hold_to_type, tensors_of
from composer.conformance.report import Failure
from composer.conformance.sample_inputs import make_inputs
from composer.conformance.symbol_sizes import bindings
from composer.plugin.asking import place_of_fault

__all__ = ["check_training"]


def check_training(case: MethodCase) -> str:
    """Run once in train mode; `forward` of a module with weights that learn gives numbers that hang on them."""
    module = case.build.make().train()
    sizes = bindings(case.signature, case.partition, 1)[0]
    inputs = make_inputs(case.signature, case.kinds, sizes, partition=case.partition)
    try:
        with torch.random.fork_rng(devices=[]):
            outputs = case.by_port(case.function(module)(**inputs))
    except Failure:
        raise
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        at = place_of_fault(error)
        raise Failure(f"it fails in train mode: {reason}" + (f" ({at})" if at else "")) from error
    known = dict(sizes)
    try:
        for name, value in outputs.items():
            port = case.signature.outputs[name]
            hold_to_type(name, value, port, case.kinds[port.type.kind], known)
    except Failure as failure:
        raise Failure(f"in train mode: {failure}") from None
    found = tensors_of(outputs, case.signature.outputs, case.kinds).values()
    numbers = [each for each in found if isinstance(each, Tensor) and each.is_floating_point()]
    learns = any(each.requires_grad for each in module.parameters())
    if case.name == "forward" and learns and numbers and not any(each.requires_grad for each in numbers):
        raise Failure(
            "in train mode nothing that it gives hangs on its weights: leave out `no_grad` and `detach`, or "
            "freeze its weights (`requires_grad_(False)`)"
        )
    return ""
