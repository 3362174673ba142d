"""The promise of training: in train mode a method gives what it declares, and a plain call can be learnt from."""

from __future__ import annotations

import torch
from torch import Tensor

from composer.conformance.cases import MethodCase
from composer.conformance.held_outputs import held_outputs
from composer.conformance.outputs import tensors_of
from composer.conformance.report import Failure
from composer.conformance.sample_inputs import make_inputs
from composer.conformance.symbol_sizes import bindings
from composer.execution.slot_values import PortValues

__all__ = ["check_training"]


def check_training(case: MethodCase) -> str:
    """Run once in train mode; `forward` of a module with weights that learn gives numbers that hang on them."""
    module = case.build.make().train()
    sizes = bindings(case.signature, case.partition, 1)[0]
    inputs = make_inputs(case.signature, case.kinds, sizes, partition=case.partition)

    def run() -> PortValues:
        with torch.random.fork_rng(devices=[]):
            return case.by_port(case.function(module)(**inputs))

    outputs = held_outputs(case, run, sizes, "in train mode")
    found = tensors_of(outputs, case.signature.outputs, case.kinds).values()
    numbers = [each for each in found if isinstance(each, Tensor) and each.is_floating_point()]
    learns = any(each.requires_grad for each in module.parameters())
    if case.name == "forward" and learns and numbers and not any(each.requires_grad for each in numbers):
        raise Failure(
            "in train mode nothing that it gives hangs on its weights: leave out `no_grad` and `detach`, or "
            "freeze its weights (`requires_grad_(False)`)"
        )
    return ""
