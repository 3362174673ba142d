"""Nodes that work on the host: what they give is moved to where the other nodes of a task compute."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import nn

from composer.execution.host_inputs import HostInput, HostInputs, HostPort, written_symbols
from composer.execution.inputs import to_tensors
from composer.execution.processors import Processors
from composer.graph import Read
from composer.plan import Plan, Step
from composer.plugin import Config, Modality, Processor
from composer.types import Kind, PortType

__all__ = ["OnHost", "ReadNode", "read_ports", "read_values", "readings_of"]


class OnHost(nn.Module):
    """A node on the host. It may give NumPy arrays, or records of them; they become tensors on the task's device.

    Real numbers keep their width where people alone read them; for other nodes they are in the model's number format.
    """

    place: torch.Tensor

    def __init__(self, node: nn.Module, *, for_nodes: bool) -> None:
        super().__init__()
        self.node = node
        self.for_nodes = for_nodes
        self.register_buffer("place", torch.empty(0), persistent=False)

    def forward(self, **values: Any) -> Any:
        found = self.node(**values)
        if isinstance(found, Mapping):
            return {port: self._placed(value) for port, value in found.items()}
        return self._placed(found)

    def _placed(self, value: Any) -> Any:
        return to_tensors(value, self.place.device, self.place.dtype if self.for_nodes else None)


class ReadNode(nn.Module):
    """What another node wrote, read as an input of a modality is read: the same processor, held to the same sizes."""

    def __init__(self, plan: Plan, step: Step, shared: Processors | None = None) -> None:
        super().__init__()
        self.plan, self.step, self.shared = plan, step, shared

    def forward(self, **values: Any) -> Any:
        return read_values(self._host, self.step.name, values)

    @cached_property
    def _host(self) -> HostInputs:
        """Made when a text comes: whoever only looks at a program loads no tokenizer."""
        callee = self.step.node.callee
        assert isinstance(callee, Read)
        types = {port: self.plan.type_of(slot) for port, slot in self.step.targets.items()}
        made = self.shared if self.shared is not None else Processors()
        processor = made.of(callee.modality, callee.module.config)
        ranges = {str(symbol): bounds for symbol, bounds in self.plan.task.ranges.items()}
        return readings_of(
            self.plan.task.name, self.step.name, callee.modality, callee.module.config, processor,
            types, callee.kinds, ranges,
        )  # fmt: skip


def readings_of(
    task: str,
    node: str,
    modality: Modality,
    config: Config,
    processor: Processor,
    types: Mapping[str, PortType],
    kinds: Mapping[str, Kind],
    limits: Mapping[str, tuple[int, int]],
) -> HostInputs:
    """The host side of a node that reads a text: what an input of its modality would be. `limits` are by symbol."""
    names = written_symbols({node: types})
    ports = {
        port: HostPort(
            kinds[found.kind], found.with_dims(tuple(dim.renamed(names.__getitem__) for dim in found.dims))
        )
        for port, found in types.items()
    }
    taken = {name: limits[str(symbol)] for symbol, name in names.items() if str(symbol) in limits}
    return HostInputs(task, {node: HostInput(node, modality, config, processor, ports, noun="node")}, taken)


def read_values(host: HostInputs, node: str, values: Mapping[str, Any]) -> Any:
    """The ports of a node that reads: the value alone where it has one. Raises InputError for what cannot be read."""
    found = read_ports(host, node, values)
    return found if len(found) != 1 else next(iter(found.values()))


def read_ports(host: HostInputs, node: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The host ports of a node that reads, of what comes in by port; `items` say how many values a sample has.

    A raw value is that of the one other port, or a map with the value of each, and empty where there is none.
    Raises InputError for what cannot be read.
    """
    counting = host.followed(node)
    items = {port: value for port, value in values.items() if port in counting}
    own = {port: value for port, value in values.items() if port not in counting}
    rows = max(len(value) for value in values.values())
    if not own:
        raw: list[Any] = [{}] * rows
    elif len(own) == 1:
        raw = list(next(iter(own.values())))
    else:
        raw = [dict(zip(own, row, strict=True)) for row in zip(*own.values(), strict=True)]
    counts = {
        port: [int(n) for n in (items[port] >= 0).sum(1)] if port in items else [1] * rows
        for port in counting
    }
    return host.encode(node, raw, counts if counting else None)
