"""Sample requests at the corners of a task's ranges: what compiled and live programs are compared on."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from itertools import product
from typing import Any

import torch
from torch import Tensor

from composer.types import parse_form
from composer_compile.artifact.manifest import RangeEntry, Task
from composer_compile.tensors.random_tensors import random_tensor

__all__ = ["corner_sizes", "sample", "vocabulary_sizes"]

MOST_COMBINED = 3
"""Up to so many open ranges, every combination of their ends is a corner; beyond, one at a time."""


def corner_sizes(ranges: Mapping[str, RangeEntry]) -> list[dict[str, int]]:
    """The sizes of every free dimension to compare at: all smallest, best, all largest, then the other corners."""
    lows, bests, highs = (
        {name: getattr(span, end) for name, span in ranges.items()} for end in ("low", "best", "high")
    )
    open_ = [name for name, span in ranges.items() if span.low != span.high]
    found = [lows, bests, highs]
    if len(open_) <= MOST_COMBINED:
        for ends in product((lows, highs), repeat=len(open_)):
            chosen = {name: end[name] for name, end in zip(open_, ends, strict=True)}
            found.append({**lows, **chosen})
    else:
        found += [{**lows, name: highs[name]} for name in open_]
    return [sizes for position, sizes in enumerate(found) if sizes not in found[:position]]


def sample(task: Task, sizes: Mapping[str, int], vocabulary: Mapping[str, int]) -> dict[str, Tensor]:
    """Random tensors for what a request brings, the same for the same sizes.

    Masks show a prefix of each row, the whole of the first; ids are below the input's `vocabulary`, and 0 where the
    mask hides them; pixels are anything.
    """
    seed = zlib.crc32(repr(sorted(sizes.items())).encode())
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    for entry in task.given:
        shape = tuple(parse_form(dim).at(sizes) for dim in entry.dims)
        below = vocabulary.get(entry.name.partition(".")[0], 2)
        tensors[entry.name] = random_tensor(shape, entry.dtype, entry.role, generator, below=below)
    for entry in task.given:
        mask, tensor = tensors.get(entry.masked_by or ""), tensors[entry.name]
        if mask is not None and tensor.dtype == torch.int64 and tensor.shape == mask.shape:
            tensors[entry.name] = tensor * mask
    return tensors


def vocabulary_sizes(processors: Mapping[str, Any]) -> dict[str, int]:
    """How many ids the tokenizer of each input knows."""
    return {
        name: processor.tokenizer.size
        for name, processor in processors.items()
        if hasattr(getattr(processor, "tokenizer", None), "size")
    }
