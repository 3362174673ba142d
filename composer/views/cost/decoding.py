"""The cost of a `generate` node: the memory read once, then one step per token on a cache that grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from composer.execution.slot_values import rows_in
from composer.plan import Step
from composer.plugin.implementations import begin, decoder_of
from composer.types import Kind
from composer.views.cost.cost import Generating
from composer.views.cost.metering import Meter

__all__ = ["measure_generate"]

MEASURED_STEPS = 32
"""Steps that are run at the most. Each of the others costs as much more than the one before as the last two that were
run differ."""
ALIKE = 3
"""Steps in a row that each cost as much more than the one before, after which no other is run."""


def measure_generate(
    module: nn.Module, step: Step, sources: Mapping[str, Any], meter: Meter, kinds: Mapping[str, Kind]
) -> tuple[Generating, int]:
    """What generating `max_tokens` tokens costs when no hypothesis ends early, and the most bytes alive meanwhile.

    Decoding takes part as `composer.plugin.Decoder` describes it: `start`, perhaps `prefill`, then `step` and `reorder`
    per token.
    Choosing the tokens is not a matrix product and is not counted.
    """
    node = step.node
    decoding = node.decoding
    options, prompt, beams = decoding.options, decoding.generation.prompt, decoding.search.beams
    decoder = decoder_of(module, prompt, node.module.type.title)
    memory = dict(sources)
    batch = rows_in(memory, node.signature.inputs, kinds)
    tokens = options.max_tokens
    start = partial(
        begin, decoder, memory, prompt, beams=beams, max_tokens=tokens, what=node.module.type.title
    )
    (first, cache), start_flops, peak = meter.measure(start)
    tokens -= first is not None  # the prompt gives the first token without a step
    costs: list[int] = []
    peaks: list[int] = []
    for index in range(min(max(tokens, 1), MEASURED_STEPS)):

        def one(cache: Any = cache, index: int = index) -> Any:
            if index and beams > 1:
                parents = torch.empty((batch, beams), dtype=torch.int64, device="meta")
                cache = cache.reorder(parents)
            ids = torch.empty((batch, beams), dtype=torch.int64, device="meta")
            return decoder.step(ids, cache)[1]

        cache, flops, high = meter.measure(one)
        costs.append(flops)
        peaks.append(high)
        if _is_even(costs) and _is_even(peaks):
            break
    more = tokens - len(costs)
    costs += _continued(costs, more)
    peaks += _continued(peaks, more)
    total = start_flops + sum(costs)
    return Generating(options.max_tokens, start_flops, costs[0], costs[-1], total), max(peak, *peaks)


def _is_even(costs: Sequence[int]) -> bool:
    """Whether the last steps each cost as much more than the one before; the first reorders nothing, and is apart."""
    last = costs[1:][-ALIKE - 1 :]
    return len(last) > ALIKE and len({after - before for before, after in pairwise(last)}) == 1


def _continued(costs: Sequence[int], more: int) -> list[int]:
    slope = costs[-1] - costs[-2] if len(costs) > 1 else 0
    return [costs[-1] + slope * (index + 1) for index in range(more)]
