"""The promises of a method: what its signature says, samples that do not see each other, and determinism."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.utils._pytree import tree_map_only

from composer.conformance.cases import MethodCase
from composer.conformance.outputs import difference, hold_to_type, tensors_of
from composer.conformance.report import Failure, Skip
from composer.conformance.sample_inputs import make_inputs
from composer.conformance.sample_rows import batch_units, select_rows
from composer.conformance.symbol_sizes import batch_symbol, bindings
from composer.execution.slot_values import PortValues
from composer.plugin.asking import META_CURE, place_of_fault
from composer.problems.first_line import first_line
from composer.types import Kind, Port, Signature

__all__ = ["check_batch", "check_determinism", "check_signature", "hold_ports"]

NUM_BINDINGS = 3


def hold_ports(signature: Signature, kinds: Mapping[str, Kind]) -> None:
    """Raises Failure for ports of kinds that nobody registers, or with another number of dims than their kind."""
    for name, port in [*signature.inputs.items(), *signature.outputs.items()]:
        if port.type.kind not in kinds:
            raise Failure(f"port {name} is {port.type}, and no plugin registers the kind {port.type.kind!r}")
        dims = kinds[port.type.kind].dims
        if len(dims) != len(port.type.dims):
            raise Failure(
                f"port {name} is {port.type}, but the kind is written {port.type.kind}[{', '.join(dims)}]"
            )


def check_signature(case: MethodCase) -> str:
    """The outputs are what the signature says, at sizes that tell the symbols apart.

    On the meta device, where nothing is computed; on the CPU where shapes depend on values.
    """
    hold_ports(case.signature, case.kinds)
    module, note = _on_meta(case), ""
    for number, sizes in enumerate(bindings(case.signature, case.partition, NUM_BINDINGS)):
        bare = number == 1  # once without anything optional
        inputs = make_inputs(case.signature, case.kinds, sizes, partition=case.partition, bare=bare)
        if not note:
            try:
                outputs = case.run(_to_meta(inputs), module)
            except Failure:
                raise
            except Exception as error:  # shapes that depend on values; a real fault shows on the CPU as well
                module, note = (
                    case.build.module,
                    f"on the CPU: the meta device cannot run it ({first_line(error).rstrip('.')})",
                )
        if note:
            outputs = case.run(inputs, module)
        known = dict(sizes)
        for name, value in outputs.items():
            port = case.signature.outputs[name]
            hold_to_type(name, value, port, case.kinds[port.type.kind], known)
    return note


def _on_meta(case: MethodCase) -> nn.Module:
    """The module without memory. Raises Failure where its builder needs the values of tensors."""
    try:
        with torch.device("meta"):
            return case.build.make()
    except Exception as error:
        case.build.make()  # whatever else is wrong with the builder shows on the CPU as well, and is told by it
        where = place_of_fault(error)
        at = f" at {where}" if where else ""
        raise Failure(
            f"it builds on the CPU and not on the meta device{at} ({first_line(error).rstrip('.')}). {META_CURE}"
        ) from error


def check_batch(case: MethodCase) -> str:
    """A sample's outputs do not depend on the samples beside it."""
    mixes = case.method.mixes_samples
    if mixes:
        raise Skip(f"it mixes samples: {mixes}")
    sizes = bindings(case.signature, case.partition, 2)[1]
    inputs = make_inputs(case.signature, case.kinds, sizes, partition=case.partition)
    whole = case.run(inputs)
    tested = False
    for symbol, units in batch_units(case, sizes):
        ports = _outputs_of(case, units[0])
        for index, rows in enumerate(units):
            alone = case.run(select_rows(inputs, case.signature.inputs, case.kinds, rows))
            expected = select_rows(whole, case.signature.outputs, case.kinds, rows)
            found = difference(_of(case, alone, ports), _of(case, expected, ports))
            if found:
                raise Failure(f"sample {index} of {symbol}={len(units)} alone gives something else: {found}")
            tested = True
    if not tested:
        raise Skip("no output has a row per sample")
    return ""


def _outputs_of(case: MethodCase, rows: Mapping[str, object]) -> dict[str, Port]:
    """The output ports whose rows belong to the samples that `rows` selects."""
    return {
        name: port for name, port in case.signature.outputs.items() if batch_symbol(port, case.kinds) in rows
    }


def _of(
    case: MethodCase, values: Mapping[str, object], ports: Mapping[str, Port]
) -> dict[str, torch.Tensor | list[object]]:
    return tensors_of({name: values[name] for name in ports}, case.signature.outputs, case.kinds)


def check_determinism(case: MethodCase) -> str:
    """In eval mode the same inputs give the same outputs, whatever the random state."""
    sizes = bindings(case.signature, case.partition, 1)[0]
    inputs = make_inputs(case.signature, case.kinds, sizes, partition=case.partition)
    results = []
    for seed in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            results.append(tensors_of(case.run(inputs), case.signature.outputs, case.kinds))
    found = difference(*results, exact=True)
    if found:
        raise Failure(f"two runs in eval mode disagree: {found} (is something random, or does it remember?)")
    return ""


def _to_meta(value: PortValues) -> PortValues:
    moved: PortValues = tree_map_only(torch.Tensor, lambda item: item.to("meta"), value)
    return moved
