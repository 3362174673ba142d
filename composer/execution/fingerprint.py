"""What tells one model's answers from another's: a digest of a task's plan, and of all weights and files it reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn

from composer.execution.read_files import digests_of_inputs, digests_of_texts
from composer.plan import Plan, Step
from composer.plugin import Registry
from composer.plugin.declarations import config_text

__all__ = ["fingerprint_of"]

VERSION = "3"
THREADS = 4


def fingerprint_of(
    plan: Plan, modules: Mapping[str, nn.Module], dtype: torch.dtype, registry: Registry
) -> str:
    """Equal for the same nodes, options, weights and vocabularies in one number format."""
    inputs = {
        name: (item.modality.id, config_text(item.config, fallback=str)) for name, item in plan.inputs.items()
    }
    steps = [_told(step) for step in plan.steps]
    names = sorted(set(plan.modules) & set(modules))
    tensors = {
        f"{name}.{key}": tensor
        for name in names
        for key, tensor in sorted(modules[name].state_dict().items())
        if isinstance(tensor, torch.Tensor)
    }
    read = [digests_of_inputs(plan.inputs), [digests_of_texts(step.node, registry) for step in plan.steps]]
    told = [VERSION, str(dtype), inputs, read, steps, dict(plan.outputs), _digests(tensors.items())]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def _told(step: Step) -> tuple[object, ...]:
    node = step.node
    options = None if node.options is None else config_text(node.options, fallback=str)
    config = config_text(node.module.config, fallback=str)
    return (
        node.name,
        node.part,
        node.module.type.id,
        config,
        node.method,
        options,
        sorted(node.sources.items()),
    )


def _digests(tensors: Iterable[tuple[str, torch.Tensor]]) -> list[tuple[str, str, list[int], str]]:
    """Name, format, shape and content of every tensor; hashing leaves the interpreter to other threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(_digest, tensors))


def _digest(item: tuple[str, torch.Tensor]) -> tuple[str, str, list[int], str]:
    name, tensor = item
    flat = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
    return name, str(tensor.dtype), list(tensor.shape), hashlib.sha256(flat.numpy().data).hexdigest()
