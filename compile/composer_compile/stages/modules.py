"""The modules that a backend compiles: a tensor stage of a plan, and one step of a decoder, from tensors to tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from composer.execution import Program
from composer.plan import Step
from composer.plugin.answers import as_output_ports
from composer.plugin.asking import ask
from composer.plugin.implementations import as_decoder, begin
from composer_compile.errors import CompileError
from composer_compile.tensors.leaves import named_leaves, rebuild

__all__ = ["Outcome", "StageModule", "StepModule"]


@dataclass
class Outcome:
    """What a stage gives: its outputs by name, and the values that they were taken from."""

    tensors: dict[str, Tensor]
    values: dict[int, Any] = field(default_factory=dict)
    """The wanted slots, as the plan's records."""
    caches: dict[str, Any] = field(default_factory=dict)
    """The decoder's cache of every `generate` node that starts here."""


class StageModule(nn.Module):
    """Some steps of a plan as one program. `forward(*tensors)` takes the leaves of `templates` in order, gives outputs.

    `templates` says how inputs look: `(input, host port)` → value for raw inputs, slot → value for what earlier
    programs made. `program` holds just these steps, in a stage called `name`. `starts` holds the `generate` nodes whose
    memory is known here: the decoder's cache is made in this stage, so that keys and values of the memory are computed
    once. Tensors of another number format are cast on entry.
    """

    def __init__(
        self,
        *,
        name: str,
        program: Program,
        dtype: torch.dtype,
        templates: Mapping[Any, Any],
        wanted: Sequence[int],
        starts: Mapping[str, tuple[nn.Module, Step]],
    ) -> None:
        super().__init__()
        self.name = name
        self.program = program
        self.dtype = dtype
        self.templates = dict(templates)
        self.wanted = tuple(wanted)
        self.starts = dict(starts)
        self.decoders = nn.ModuleList(decoder for decoder, _ in starts.values())

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.outcome(*tensors).tensors.values())

    def outcome(self, *tensors: Tensor) -> Outcome:
        """The outputs by name, with the values behind them."""
        slots = self._run(tensors)
        found = Outcome({})
        for slot in self.wanted:
            found.values[slot] = slots[slot]
            found.tensors.update(named_leaves(slots[slot], self.slot_name(slot)))
        for node, (decoder, step) in self.starts.items():
            decoding = step.node.decoding
            first, cache = begin(
                as_decoder(decoder),
                step.read(slots),
                decoding.generation.prompt,
                beams=decoding.search.beams,
                max_tokens=decoding.options.max_tokens,
                what=step.node.module.type.title,
            )
            if first is not None:
                found.tensors[first_name(node)] = first
            found.caches[node] = cache
            found.tensors.update(named_leaves(cache, cache_name(node)))
        return found

    def nodes_of(self, path: str) -> tuple[str, ...]:
        """The nodes that a module inside this one may run for, by its path, such as `program.parts.0.layers.1`."""
        for mark in ("program", "decoders"):
            if mark in (parts := path.split(".")):
                return self._nodes_at(parts[parts.index(mark) :])
        return ()

    def _nodes_at(self, parts: Sequence[str]) -> tuple[str, ...]:
        steps = self.program.plan.steps
        match parts:
            case ["program", "prepare", number, *_]:
                return (self.program.prepared[int(number)],)
            case ["program", "in_place", number, *_]:
                return ([step.name for step in steps if step.node.is_in_place][int(number)],)
            case ["program", "parts", number, *_]:
                owner = self.program.names[int(number)]
                return tuple(s.name for s in steps if not s.node.is_in_place and s.node.part == owner)
            case ["decoders", number, *_]:
                return (list(self.starts)[int(number)],)
        return ()

    def slot_name(self, slot: int) -> str:
        return ".".join(self.program.plan.slots[slot])

    def _run(self, tensors: Sequence[Tensor]) -> list[Any]:
        feed = (entered(tensor, self.dtype) for tensor in tensors)
        values = {key: rebuild(template, lambda: next(feed)) for key, template in self.templates.items()}
        given: dict[str, dict[str, Any]] = {}
        for key, value in values.items():
            if isinstance(key, tuple):
                given.setdefault(key[0], {})[key[1]] = value
        slots = self.program.load_inputs(given)
        for key, value in values.items():
            if isinstance(key, int):
                slots[key] = value
        if self.program.plan.steps:
            self.program.run_stage(self.name, slots)
        return slots


def entered(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """A tensor in the number format of the program that it enters; integers stay as they are."""
    return tensor.to(dtype) if tensor.is_floating_point() and tensor.dtype != dtype else tensor


def prefills(step: Step) -> bool:
    """Whether a `generate` node runs a prompt before its first token."""
    generation = step.node.module.type.generation
    return generation is not None and bool(generation.prompt)


def policy_ports(step: Step) -> tuple[str, ...]:
    """The output ports that a `generate` node has of its search policy."""
    search = step.node.decoding.search
    what = f"`ports` of {search.policy.title}"
    return tuple(ask(search.policy.ports, search.config, what=what, accept=as_output_ports))


def first_name(node: str) -> str:
    """Under which name the logits of the first token leave the program that runs a prompt."""
    return f"{node}.prefill.logits"


def decode_name(node: str) -> str:
    """The name of the program that is one step of a `generate` node."""
    return f"{node}.decode"


def cache_name(node: str) -> str:
    """Under which name a `generate` node's cache goes out of one program and into the other."""
    return f"{node}.cache"


class StepModule(nn.Module):
    """One step of a decoder: ids[B, K], parents[B, K] (only when K > 1) and the cache → logits and the changed cache.

    Beam k of a sample goes on from its beam parents[k]: the cache is reordered inside the program.
    """

    def __init__(self, *, decoder: nn.Module, node: str, template: Any, beams: int) -> None:
        super().__init__()
        self.decoder = decoder
        self.node = node
        self.template = template
        self.beams = beams

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.outcome(*tensors).tensors.values())

    def outcome(self, *tensors: Tensor) -> Outcome:
        """`logits`, then every tensor of the cache that the step changes.

        What it hands through as it is (keys and values of the memory) need not come out of the program.
        """
        feed = iter(tensors)
        ids = next(feed)
        parents = next(feed) if self.beams > 1 else None
        cache = rebuild(self.template, lambda: next(feed))
        before = dict(named_leaves(cache, cache_name(self.node)))
        if parents is not None:
            cache = cache.reorder(parents)
        logits, cache = as_decoder(self.decoder).step(ids, cache)
        after = dict(named_leaves(cache, cache_name(self.node)))
        if after.keys() != before.keys():
            raise CompileError(
                f"the decoder of node `{self.node}` changes the form of its cache from step to step, so no "
                "program can be made of one step"
            )
        changed = {name: tensor for name, tensor in after.items() if tensor is not before[name]}
        return Outcome({"logits": logits, **changed})
