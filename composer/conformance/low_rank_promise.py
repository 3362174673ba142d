"""The promise that a module's parts can be adapted: low-rank adapters change what it gives as merged weights do.

A module breaks it that holds a part where adapters cannot come between (in a plain list, a closure), or that asks what
a part is before it calls it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from composer.conformance.cases import MethodCase, stir
from composer.conformance.decoder_steps import BEAMS, Script
from composer.conformance.export import check_exported
from composer.conformance.outputs import difference, tensors_of
from composer.conformance.report import Failure, Skip
from composer.conformance.sample_inputs import make_inputs
from composer.conformance.symbol_sizes import bindings
from composer.execution.parts import Parts
from composer.execution.peft_layers import ADAPTED, low_rank_layers, weights_of
from composer.execution.slot_values import PortValues, rows_in
from composer.graph.low_rank import LowRank
from composer.problems import InputError

__all__ = ["adaptable", "check_adapted_generation", "check_adapters"]

BARE, ADAPTER = "module", "module+adapter"
"""What the kit calls a module, and the module with an adapter."""
MERGED = "an adapter does not do what its product does in the weights"


def adaptable(module: nn.Module) -> dict[str, nn.Module]:
    """The parts that an adapter can be put beside and whose weights are nobody else's, by name."""
    owners = Counter(id(weight) for _, weight in module.named_parameters(remove_duplicate=False))
    return {
        name: part
        for name, part in module.named_modules()
        if name and isinstance(part, ADAPTED) and owners[id(part.weight)] == 1
    }


def check_adapters(case: MethodCase, *, exports: bool) -> str:
    """With an adapter beside every part a method gives the same at first, then what it gives with merged weights.

    A gradient reaches the weights of the adapter where one reaches those of the module, which stay as they are. A
    method that `exports` is exported with an adapter as well.
    """
    module = case.build.module
    sizes = bindings(case.signature, case.partition, 1)[0]
    inputs = make_inputs(case.signature, case.kinds, sizes, partition=case.partition)
    parts = _adapted(module)
    adapted = parts.to_run(merge=False)[ADAPTER]
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    _hold_same(case, inputs, (module, adapted), "an adapter that is fresh changes what it gives")
    _hold_gradient(case, inputs, module, adapted, parts)
    stir(parts.weights[ADAPTER], seed=2)
    merged = parts.to_run(merge=True)[ADAPTER]
    plain = case.build.make()
    plain.load_state_dict(merged.state_dict())
    _hold_same(case, inputs, (plain, adapted), MERGED)
    _hold_same(
        case, inputs, (plain, merged), "merged into the weights in place, an adapter is something else"
    )
    changed = [name for name, tensor in module.state_dict().items() if not torch.equal(tensor, before[name])]
    if changed:
        raise Failure(f"running it with an adapter changes its own {changed[0]}")
    if exports:
        check_exported(case, adapted)
    return ""


@torch.no_grad()
def check_adapted_generation(case: MethodCase) -> str:
    """With an adapter beside every part, the steps of a decoder give what they give with merged weights."""
    parts = _adapted(case.build.module)
    stir(parts.weights[ADAPTER], seed=2)
    plain = case.build.make()
    plain.load_state_dict(parts.to_run(merge=True)[ADAPTER].state_dict())
    sizes = bindings(case.signature, case.partition, 1)[0]
    ports = make_inputs(case.signature, case.kinds, sizes, partition=case.partition)
    ids = torch.zeros(rows_in(ports, case.signature.inputs, case.kinds), BEAMS, dtype=torch.int64)
    found = [
        Script.of(replace(case, build=case.build.holding(each))).decode(ports, [ids, ids + 1])
        for each in (plain, parts.to_run(merge=False)[ADAPTER])
    ]
    for step, (one, other) in enumerate(zip(*(each.scores for each in found), strict=True), 1):
        fault = difference({"logits": one}, {"logits": other})
        if fault:
            raise Failure(f"in step {step}, {MERGED}: {fault}")
    return ""


def _adapted(module: nn.Module) -> Parts:
    config = LowRank(targets=["*"], rank=2, alpha=0.25)  # rounding of large products would hide what is asked
    try:
        layers = low_rank_layers(adaptable(module), config, empty=False)
    except InputError as error:
        raise Skip(str(error)) from None
    weights = nn.ParameterDict(
        {
            f"{index}_{name.replace('.', '_')}": tensor
            for index, layer in enumerate(layers.values())
            for name, tensor in weights_of(layer).items()
        }
    )
    return Parts((ADAPTER,), {BARE: module, ADAPTER: weights}, layers={ADAPTER: layers})


def _hold_same(case: MethodCase, inputs: PortValues, modules: tuple[nn.Module, nn.Module], told: str) -> None:
    found = difference(
        *(tensors_of(case.run(inputs, each), case.signature.outputs, case.kinds) for each in modules)
    )
    if found:
        raise Failure(f"{told}: {found}")


def _hold_gradient(
    case: MethodCase, inputs: PortValues, module: nn.Module, adapted: nn.Module, parts: Parts
) -> None:
    """Raise Failure where a gradient reaches the weights of parts, and not those of adapters beside them."""
    reached = _reached(case, inputs, module, {name: part.weight for name, part in adaptable(module).items()})
    table: Mapping[str, Any] = parts.layers[ADAPTER]
    beside = {f"{name}/{own}": w for name, layer in table.items() for own, w in weights_of(layer).items()}
    got = {name.partition("/")[0] for name in _reached(case, inputs, adapted, beside)}
    lost = [name for name in reached if name not in got]
    if lost:
        raise Failure(f"a gradient reaches the weight of `{lost[0]}`, and not the adapter beside it")


def _reached(
    case: MethodCase, inputs: PortValues, module: nn.Module, weights: Mapping[str, object]
) -> list[str]:
    """The weights that the outputs of a method depend on, by their gradients; none where nothing gives a gradient."""
    own = {name: each for name, each in weights.items() if isinstance(each, Tensor) and each.requires_grad}
    with torch.enable_grad():
        given = case.by_port(case.function(module)(**inputs))
        outputs = tensors_of(given, case.signature.outputs, case.kinds).values()
        values = [each for each in outputs if isinstance(each, Tensor) and each.requires_grad]
        if not values or not own:
            return []
        total = torch.stack([(each.float() ** 2).sum() for each in values]).sum()
        gradients = torch.autograd.grad(total, list(own.values()), allow_unused=True)
    return [name for name, gradient in zip(own, gradients, strict=True) if gradient is not None]
