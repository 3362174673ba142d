"""The promise of a type that generates: a cache from its memory, and steps of one token per beam."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from composer.conformance.cases import Build, MethodCase
from composer.conformance.decoder_steps import BEAMS, Script, check_decoding
from composer.conformance.export import export_inputs, hold_statement, run_exported
from composer.conformance.outputs import difference
from composer.conformance.promises import hold_ports
from composer.conformance.report import Failure
from composer.conformance.sample_inputs import make_inputs
from composer.conformance.symbol_sizes import bindings
from composer.execution.slot_values import rows_in
from composer.plugin.declarations import Method, Vocabulary

__all__ = ["check_generation", "check_generation_export", "generation_case"]


def generation_case(build: Build, kinds: Any) -> MethodCase:
    """The `generate` signature as a case: its inputs are the memory."""
    generation = build.entry.generation
    assert generation is not None
    method = Method(
        generation.signature, options=generation.options, not_exportable=generation.not_exportable
    )
    return MethodCase(build, "generate", method, kinds)


@torch.no_grad()
def check_generation(case: MethodCase) -> str:
    """Its steps and its cache are what a search relies on, and its scores are those of its vocabulary."""
    generation = case.build.entry.generation
    assert generation is not None
    hold_ports(case.signature, case.kinds)
    vocabulary = generation.vocabulary(case.build.config)
    if not isinstance(vocabulary, Vocabulary):
        raise Failure(f"its vocabulary is a {type(vocabulary).__name__}, where a Vocabulary was expected")
    script = Script.of(case)
    widths = {check_decoding(script, sizes) for sizes in bindings(case.signature, case.partition, 2)}
    if len(widths) > 1:
        raise Failure(f"the vocabulary changes with the memory: {sorted(widths)}")
    if vocabulary.size is not None and widths != {vocabulary.size}:
        raise Failure(
            f"its vocabulary has the size {vocabulary.size}, and its logits have {widths.pop()} entries"
        )
    return ""


class _TwoSteps(nn.Module):
    """A search of two tokens: memory → the logits after each; the cache is reordered in between."""

    def __init__(self, *, script: Script) -> None:
        super().__init__()
        self.script = script
        self.decoder = script.case.build.module  # whose weights the program holds

    def forward(self, memory: dict[str, Any]) -> tuple[Tensor, Tensor]:
        case, decoder = self.script.case, self.script.decoder
        prefilled, cache = self.script.begin(memory, beams=BEAMS)
        _hold_tensors(cache, "cache")
        batch = rows_in(memory, case.signature.inputs, case.kinds)
        ids = torch.zeros(batch, BEAMS, dtype=torch.int64)
        first, cache = decoder.step(ids, cache)
        turned = torch.arange(BEAMS).flip(0).expand(batch, -1)
        second, _ = decoder.step(ids + 1, cache.reorder(turned))
        return (first if prefilled is None else first + prefilled), second


def check_generation_export(case: MethodCase) -> str:
    """Exported with free sizes, start and step give the same logits; or the declaration says that they cannot be."""
    return hold_statement(case.method.not_exportable, partial(_export, case))


def _export(case: MethodCase) -> None:
    module = _TwoSteps(script=Script.of(case))
    first, *others = (
        (sizes, make_inputs(case.signature, case.kinds, sizes, partition=case.partition))
        for sizes in bindings(case.signature, case.partition, 3)
    )
    exported = export_inputs(module, first[1], case)
    for sizes, memory in others:
        with torch.no_grad():
            expected = module(memory)
        found = difference(
            *({"first": a, "second": b} for a, b in (run_exported(exported, memory, sizes), expected))
        )
        if found:
            at = ", ".join(f"{symbol}={size}" for symbol, size in sizes.items())
            raise Failure(f"exported, its steps give something else at {at}: {found}")


def _hold_tensors(value: Any, place: str) -> None:
    """Raises Failure where a cache holds what no program can take from step to step."""
    if isinstance(value, tuple):
        for name, item in zip(getattr(value, "_fields", range(len(value))), value, strict=True):
            _hold_tensors(item, f"{place}.{name}")
    elif value is not None and not isinstance(value, Tensor):
        raise Failure(
            f"{place} is a {type(value).__name__}; a cache is made of tensors in records and tuples"
        )
