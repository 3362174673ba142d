"""The promise of a type that generates: a cache from its memory, and steps of one token per beam."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from composer.conformance.cases import Build, MethodCase
from composer.conformance.export import export_inputs, hold_statement, run_exported
from composer.conformance.outputs import ABSOLUTE, RELATIVE, difference
from composer.conformance.promises import hold_ports
from composer.conformance.report import Failure
from composer.conformance.sample_inputs import make_inputs
from composer.conformance.symbol_sizes import batch_symbol, bindings
from composer.execution.slot_values import PortValues, rows_in
from composer.plugin.declarations import Method, Vocabulary
from composer.plugin.implementations import begin
from composer.types.gaps import gap

__all__ = ["check_generation", "check_generation_export", "generation_case"]

BEAMS, MAX_TOKENS = 3, 4


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
    """Two steps give logits[B, K, V], and reordering the beams reorders what they remember."""
    generation = case.build.entry.generation
    assert generation is not None
    hold_ports(case.signature, case.kinds)
    vocabulary = generation.vocabulary(case.build.config)
    if not isinstance(vocabulary, Vocabulary):
        raise Failure(f"its vocabulary is a {type(vocabulary).__name__}, where a Vocabulary was expected")
    decoder: Any = case.build.module
    widths = set()
    for sizes in bindings(case.signature, case.partition, 2):
        memory = make_inputs(case.signature, case.kinds, sizes, partition=case.partition)
        batch = sizes[batch_symbol(next(iter(case.signature.inputs.values())), case.kinds) or ""]
        ids = torch.arange(batch * BEAMS).reshape(batch, BEAMS) % 2
        first, cache = _begin(case, decoder, memory)
        _hold_logits(first, ids, "prefill")
        _hold_cache(cache)
        logits, cache = _step(decoder, ids, cache)
        widths.add(logits.shape[-1])
        swapped = torch.tensor([1, 0, *range(2, BEAMS)]).expand(batch, BEAMS)
        same = torch.ones_like(ids)
        kept, _ = _step(decoder, same, cache.reorder(torch.arange(BEAMS).expand(batch, BEAMS)))
        turned, _ = _step(decoder, same, cache.reorder(swapped))
        wanted = kept.gather(1, swapped[..., None].expand_as(kept))
        if not gap(turned, wanted, absolute=ABSOLUTE, relative=RELATIVE).fine:
            raise Failure("reordering the beams of the cache does not reorder the logits of the next step")
    if len(widths) > 1:
        raise Failure(f"the vocabulary changes with the memory: {sorted(widths)}")
    if vocabulary.size is not None and widths != {vocabulary.size}:
        raise Failure(
            f"its vocabulary has the size {vocabulary.size}, and its logits have {widths.pop()} entries"
        )
    return ""


def _begin(case: MethodCase, decoder: Any, ports: PortValues) -> tuple[Tensor | None, Any]:
    generation = case.build.entry.generation
    assert generation is not None
    unknown = [port for port in generation.prompt if port not in case.signature.inputs]
    if unknown:
        raise Failure(f"its `prompt` names {unknown[0]}, which is not an input port")
    missing = [
        name
        for name in ("start", "step", *(("prefill",) if generation.prompt else ()))
        if not callable(getattr(decoder, name, None))
    ]
    if missing:
        raise Failure(
            f"{type(decoder).__name__} has no method `{missing[0]}`, which a type that generates needs"
        )
    what = case.build.entry.title
    return begin(decoder, ports, generation.prompt, beams=BEAMS, max_tokens=MAX_TOKENS, what=what)


def _hold_logits(logits: Tensor | None, ids: Tensor, what: str) -> None:
    if logits is not None and (logits.ndim != 3 or logits.shape[:2] != ids.shape):
        raise Failure(f"{what}: expected logits[B, K, V] for ids {list(ids.shape)}, got {list(logits.shape)}")


def _hold_cache(cache: Any) -> None:
    """Raises Failure for a cache without what a search reads of it."""
    for name in ("device", "reorder", "select"):
        if not hasattr(cache, name):
            raise Failure(f"its cache, a {type(cache).__name__}, has no `{name}`")


def _step(decoder: Any, ids: Tensor, cache: Any) -> tuple[Tensor, Any]:
    logits, cache = decoder.step(ids, cache)
    _hold_logits(logits, ids, "step")
    return logits, cache


class _TwoSteps(nn.Module):
    """A search of two tokens: memory → the logits after each; the cache is reordered in between."""

    def __init__(self, *, case: MethodCase, decoder: Any) -> None:
        super().__init__()
        self.case = case
        self.decoder = decoder

    def forward(self, memory: dict[str, Any]) -> tuple[Tensor, Tensor]:
        prefilled, cache = _begin(self.case, self.decoder, memory)
        _hold_tensors(cache, "cache")
        batch = rows_in(memory, self.case.signature.inputs, self.case.kinds)
        ids = torch.zeros(batch, BEAMS, dtype=torch.int64)
        first, cache = self.decoder.step(ids, cache)
        turned = torch.arange(BEAMS).flip(0).expand(batch, -1)
        second, _ = self.decoder.step(ids + 1, cache.reorder(turned))
        return (first if prefilled is None else first + prefilled), second


def check_generation_export(case: MethodCase) -> str:
    """Exported with free sizes, start and step give the same logits; or the declaration says that they cannot be."""
    return hold_statement(case.method.not_exportable, partial(_export, case))


def _export(case: MethodCase) -> None:
    module = _TwoSteps(case=case, decoder=case.build.module)
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
