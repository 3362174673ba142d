"""Sample requests at the corners of a task's ranges: what compiled and live programs are compared on."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from itertools import product
from math import prod
from typing import Any

import torch
from torch import Tensor

from composer.plan import places_of
from composer.plugin.asking import ask, import_object
from composer.types import parse_form
from composer_compile.artifact.manifest import RangeEntry, StageEntry
from composer_compile.errors import CompileError
from composer_compile.runtime.host_parts import LoadedRead
from composer_compile.runtime.loaded_task import LoadedTask
from composer_compile.tensors.random_tensors import random_tensor

__all__ = ["corner_sizes", "made_up_reading", "sample"]

ENDS = ("high", "low", "best")
"""Which size of what is read on the way goes with each corner of a request, in turn."""
MOST_COMBINED = 3
"""Up to so many open ranges, every combination of their ends is a corner; beyond, one at a time."""


MOST_PLACES = 2048
"""Where the sizes of a corner multiply to more, such as 8 texts of 8,000 tokens, the largest is halved until they do
not, but never below its best: attention over all of them would take the better part of an hour, and its scores more
memory than the model. Each range by itself is compared up to so many."""


def corner_sizes(ranges: Mapping[str, RangeEntry]) -> list[dict[str, int]]:
    """The sizes of every free dimension to compare at: all smallest, best, all largest, then the other corners, each
    as far as `MOST_PLACES` permits.
    """
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
    found = [_bounded(sizes, bests) for sizes in found]
    return [sizes for position, sizes in enumerate(found) if sizes not in found[:position]]


def _bounded(sizes: Mapping[str, int], bests: Mapping[str, int]) -> dict[str, int]:
    """A corner as far as it is compared."""
    found = dict(sizes)
    while prod(found.values()) > MOST_PLACES:
        above = [name for name, size in found.items() if size > bests[name]]
        if not above:
            break
        name = max(above, key=lambda each: found[each])
        found[name] = max(bests[name], found[name] // 2)
    return found


def sample(loaded: LoadedTask, sizes: Mapping[str, int]) -> dict[str, Any]:
    """Random tensors for what a request brings, the same for the same sizes; texts are samples of their modality.

    Masks show a prefix of each row, the whole of the first; ids are below what the input's tokenizer knows, and 0 where
    the mask hides them; pixels are anything.
    """
    vocabulary = _vocabulary_sizes(loaded.requests.host.processors)
    seed = zlib.crc32(repr(sorted(sizes.items())).encode())
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Any] = {}
    for entry in loaded.task.given:
        shape = tuple(parse_form(dim).at(sizes) for dim in entry.dims)
        if entry.dtype == "object":
            tensors[entry.name] = _samples_of(loaded, entry.name, shape[0])
            continue
        below = _below(vocabulary.get(entry.name.partition(".")[0], 2), entry.masked_by, shape)
        tensors[entry.name] = random_tensor(shape, entry.dtype, entry.role, generator, below=below)
    for entry in loaded.task.given:
        mask, tensor = tensors.get(entry.masked_by or ""), tensors[entry.name]
        if mask is not None and tensor.dtype == torch.int64 and tensor.shape == mask.shape:
            tensors[entry.name] = tensor * mask
    return tensors


def made_up_reading(loaded: LoadedTask, part: LoadedRead, sizes: dict[str, int]) -> dict[str, Tensor]:
    """Random tensors in the place of what a node reads of a text, at an end of its range; `sizes` takes that.

    Nothing where others than programs read it.
    """
    own = f"{part.name}."
    inputs = {
        tensor.name: tensor
        for entry in loaded.task.order
        if isinstance(entry, StageEntry)
        for tensor in entry.inputs
        if tensor.name.startswith(own)
    }
    others = {name for each in loaded.order if each.name != part.name for name in places_of(each.reads)}
    if not inputs or any(name.startswith(own) and name not in inputs for name in others):
        return {}
    corners = corner_sizes(loaded.task.ranges)
    here = {name: sizes[name] for name in loaded.task.ranges}
    end = ENDS[corners.index(here) % len(ENDS)] if here in corners else ENDS[0]
    sizes.update({name: getattr(span, end) for name, span in part.entry.ranges.items()})
    generator = torch.Generator().manual_seed(zlib.crc32(repr(sorted(sizes.items())).encode()))
    known = _vocabulary_sizes(part.host.processors).get(part.name, 2)
    drawn = {}
    for name, each in inputs.items():
        shape = tuple(parse_form(dim).at(sizes) for dim in each.dims)
        below = _below(known, each.masked_by, shape)
        tensor = random_tensor(shape, each.dtype, each.role, generator, below=below)
        drawn[name] = tensor.to(loaded.device)
    for name, each in inputs.items():
        mask = drawn.get(each.masked_by or "")
        if mask is not None and mask.shape == drawn[name].shape and drawn[name].dtype == torch.int64:
            drawn[name] = drawn[name] * mask
    return drawn


def _below(vocabulary: int, masked_by: str | None, shape: tuple[int, ...]) -> int:
    """What ids of a text are below; numbers beside them, such as positions, are below the length as well."""
    return vocabulary if masked_by or not shape else min(vocabulary, shape[-1])


def _samples_of(loaded: LoadedTask, name: str, count: int) -> list[Any]:
    """Values that stay on the host, such as texts: what the modality of the input gives as samples, in turn."""
    key, _, port = name.partition(".")
    item = loaded.requests.host.inputs[key]
    if item.modality.sample is None:
        raise CompileError(
            f"input `{key}` cannot be compared: {item.modality.title} gives no samples of its values (`sample`)"
        )
    samples = ask(import_object(item.modality.sample, "its `sample`"), item.config, what="its `sample`")
    values = list(loaded.requests.host.encode(key, list(samples))[port])
    return [values[number % len(values)] for number in range(count)]


def _vocabulary_sizes(processors: Mapping[str, Any]) -> dict[str, int]:
    """How many ids the tokenizer of each input knows."""
    return {
        name: processor.tokenizer.size
        for name, processor in processors.items()
        if hasattr(getattr(processor, "tokenizer", None), "size")
    }
