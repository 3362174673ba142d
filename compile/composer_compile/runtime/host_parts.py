"""The parts of a loaded task that work on the host: nodes that are called there, and those that read texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from composer.execution.host_inputs import HostInputs
from composer.execution.inputs import to_tensors
from composer.execution.on_host import read_ports, readings_of
from composer.execution.processors import Processors
from composer.plan import Sources, read_sources
from composer.plugin import Registry
from composer.plugin.asking import ask, import_object
from composer.problems import InputError
from composer.types import Kind, parse_port_type
from composer_compile.artifact.container import Container
from composer_compile.artifact.manifest import HostCallEntry, ReadEntry
from composer_compile.runtime.requests import config_of, modality_of, named_parts

__all__ = [
    "Formats",
    "LoadedHostCall",
    "LoadedRead",
    "UncompiledSizeError",
    "loaded_host_call",
    "loaded_read",
]

Formats = Mapping[str, torch.dtype]
"""Name of a value to the number format in which programs take it."""

_CPU = torch.device("cpu")


class UncompiledSizeError(InputError):
    """A text that was made on the way has a size for which there is no program."""

    def __init__(self, fault: str, option: str, rebuild: str) -> None:
        super().__init__(f"{fault}; rebuild with `{rebuild} {option}`")
        self.fault, self.option = fault, option


@dataclass
class LoadedHostCall:
    """A node on the host: its registered type, called with values by name."""

    entry: HostCallEntry
    call: Callable[..., Any]
    title: str
    """Of the type, for messages."""
    takes: Mapping[str, Kind] = field(default_factory=dict)
    """Input port to its kind."""
    gives: Mapping[str, Kind] = field(default_factory=dict)
    """Output port to its kind."""
    formats: Formats = field(default_factory=dict)
    device: torch.device = _CPU
    only: str | None = None

    @property
    def name(self) -> str:
        return self.entry.node

    @property
    def callee(self) -> str:
        return self.entry.uses

    @property
    def reads(self) -> Sources:
        """Its input ports with the names of their values."""
        sources = self.entry.sources.items()
        return tuple((port, name if isinstance(name, str) else tuple(name)) for port, name in sources)

    @property
    def outputs(self) -> list[str]:
        """The names of the values that it gives."""
        parts = [
            f"{name}.{label}"
            for port, name in self.entry.ports.items()
            if port in self.gives and self.gives[port].record is not None
            for label in self.gives[port].fields
        ]
        return [*self.entry.ports.values(), *parts]

    def write(self, values: dict[str, Any], result: Mapping[str, Any]) -> None:
        """Keep the ports by name."""
        values.update(result)

    def run(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values that it gives, by name, from all values."""
        return self.answer(**read_sources(self.reads, values))

    def answer(self, /, **keywords: Any) -> dict[str, Any]:
        """The values that it gives, by name, from those of its ports."""
        ports = self.entry.ports

        def read(result: Any) -> dict[str, Any]:
            return {port: result if len(ports) == 1 else result[port] for port in ports}

        taken = {port: self._taken(port, value) for port, value in keywords.items()}
        what = f"node `{self.entry.node}` ({self.title})"
        found = ask(partial(self.call, **taken), what=what, accept=read)
        given: dict[str, Any] = {}
        for port, name in ports.items():
            given.update(placed(name, found[port], self.gives.get(port), self.formats, self.device))
        return given

    def _taken(self, port: str, value: Any) -> Any:
        """What a port is given: of the parts of a record, the record."""
        kind = self.takes.get(port)
        is_whole = not isinstance(value, tuple) or hasattr(value, "_fields")
        if kind is None or kind.record is None or is_whole:
            return value
        return kind.record(*value, *[None] * (len(kind.fields) - len(value)))


@dataclass
class LoadedRead:
    """A node that reads what another one wrote, as an input of its modality is read."""

    entry: ReadEntry
    host: HostInputs
    kinds: Mapping[str, Kind]
    """Port to its kind."""
    formats: Formats
    device: torch.device
    rebuild: str
    """The command that makes the artifact again."""
    only: str | None = None

    @property
    def name(self) -> str:
        return self.entry.node

    @property
    def callee(self) -> str:
        return self.entry.read.modality

    @property
    def reads(self) -> Sources:
        """Its input ports with the names of their values."""
        return tuple(self.entry.sources.items())

    @property
    def outputs(self) -> list[str]:
        """The names of the values that it gives."""
        names = [(f"{self.name}.{port}", kind) for port, kind in self.kinds.items()]
        parts = [
            f"{name}.{label}" for name, kind in names if kind.record is not None for label in kind.fields
        ]
        return [*(name for name, _ in names), *parts]

    def write(self, values: dict[str, Any], result: Mapping[str, Any]) -> None:
        """Keep the ports by name."""
        values.update(result)

    def call(self, sizes: dict[str, int], /, **values: Any) -> dict[str, Any]:
        """The values of its ports by name; `sizes` takes those of what it read.

        Raises InputError for what cannot be read, and for a size that the programs do not take.
        """
        arrays = read_ports(self.host, self.name, values)
        found = self.host.hold_together({self.name: arrays})
        for symbol, dim in self.entry.sizes.items():
            self._hold(dim, found[symbol])
            sizes[dim] = found[symbol]
        given: dict[str, Any] = {}
        for port, array in arrays.items():
            given.update(placed(f"{self.name}.{port}", array, self.kinds[port], self.formats, self.device))
        return given

    def _hold(self, dim: str, size: int) -> None:
        span = self.entry.ranges[dim]
        if not span.low <= size <= span.high:
            wider = f"{min(size, span.low)}..{max(size, span.high)}"
            fault = f"`{dim}` is {size}, and task `{self.host.task}` was compiled for {span}"
            raise UncompiledSizeError(fault, f"--range {dim}={wider}", self.rebuild)


def placed(
    name: str, value: Any, kind: Kind | None, formats: Formats, device: torch.device
) -> dict[str, Any]:
    """What a node on the host makes, by name: as it is, and of a record the parts that programs read."""
    if isinstance(value, list):
        return {name: value}
    if kind is None or kind.record is None:
        return {name: _moved(name, to_tensors(value), formats, device)}
    parts = {key: _moved(key, part, formats, device) for key, part in named_parts(name, kind, value).items()}
    return {name: kind.record(*parts.values()), **parts}


def _moved(name: str, value: Any, formats: Formats, device: torch.device) -> Any:
    return value.to(device, formats.get(name)) if isinstance(value, Tensor) else value


def loaded_host_call(
    entry: HostCallEntry, registry: Registry, container: Container, formats: Formats, device: torch.device
) -> LoadedHostCall:
    """A node on the host, with what the installed plugin registers for it."""
    declared = registry.module_types[entry.uses]
    config = config_of(declared, "module_types", entry.config, container)
    builder = import_object(declared.builder, declared.title)
    signature = ask(declared.methods["forward"].signature, config, what=f"the signature of {declared.title}")
    takes = {port: registry.kinds[each.type.kind] for port, each in signature.inputs.items() if not each.many}
    gives = {port: registry.kinds[each.type.kind] for port, each in signature.outputs.items()}
    call = ask(builder, config, what=declared.title)
    return LoadedHostCall(entry, call, declared.title, takes, gives, formats, device)


def loaded_read(
    task: str,
    entry: ReadEntry,
    registry: Registry,
    container: Container,
    shared: Processors,
    formats: Formats,
    device: torch.device,
) -> LoadedRead:
    """A node that reads, with the processor of the installed modality and the files of the artifact."""
    modality, config = modality_of(entry.read, registry, container)
    types = {port: parse_port_type(text) for port, text in entry.read.ports.items()}
    processor = shared.of(modality, config)
    host = readings_of(
        task, entry.node, modality, config, processor, types, registry.kinds, dict(entry.limits)
    )
    kinds = {port: registry.kinds[found.kind] for port, found in types.items()}
    return LoadedRead(entry, host, kinds, formats, device, container.rebuild)
