"""The host side of a request to an artifact: raw values to the named tensors that programs take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from composer.execution.host_inputs import HostInput, HostInputs, HostPort
from composer.execution.input_sizes import Given, hold_sizes
from composer.execution.inputs import to_tensors
from composer.execution.processors import Processors
from composer.plugin import Config, Modality, ModuleType, Processor, Registry, SearchPolicy
from composer.plugin.asking import ask
from composer.plugin.declarations import config_of_json
from composer.problems import InputError
from composer.problems.first_line import refusal
from composer.types import Kind, Several, parse_form, parse_port_type
from composer_compile.artifact.container import Container
from composer_compile.artifact.dtypes import DTYPES
from composer_compile.artifact.manifest import Input, Task
from composer_compile.errors import ArtifactError

__all__ = ["Requests", "config_of", "modality_of", "named_parts", "processor_of"]


def processor_of(entry: Input, registry: Registry, container: Container, shared: Processors) -> Processor:
    """The processor of an input, with its files taken from the artifact; one for all inputs that are read alike."""
    return shared.of(*modality_of(entry, registry, container))


def modality_of(entry: Input, registry: Registry, container: Container) -> tuple[Modality, Config]:
    """What reads an input: the modality that an installed plugin registers, and its config.

    The manifest names a modality by its id, never by a path of code: what runs is what the installed plugins register.
    """
    modality = registry.modalities[entry.modality]
    files = {field: str(container.unpacked(name).absolute()) for field, name in entry.files.items()}
    return modality, config_of(modality, "modalities", {**entry.config, **files}, container)


def config_of(
    declared: ModuleType | Modality | SearchPolicy,
    section: str,
    fields: Mapping[str, Any],
    container: Container,
) -> Any:
    """The config that the artifact was made with, as the installed plugin reads it.

    Raises:
        ArtifactError: the installed plugin does not take it. PluginError: the config's own code fails.
    """
    read = partial(config_of_json, declared.config, json.dumps(fields))
    try:
        return ask(read, what=f"the config of {declared.title}", passing=(ValueError,))
    except ValueError as error:
        offered = container.manifest.requires.get(section, {}).get(declared.id)
        made_with = (offered.package if offered else "") or "the plugin"
        raise ArtifactError(
            f"{container.path}: the installed {declared.noun} `{declared.id}` does not take the config that the "
            f"artifact was made with ({refusal(error)}): install {made_with} again, or rebuild it "
            f"with `{container.rebuild}`"
        ) from None


class Requests:
    """The inputs of one task: their host side, and what of it the programs take, held to the compiled ranges."""

    def __init__(
        self,
        name: str,
        task: Task,
        *,
        registry: Registry,
        container: Container,
        shared: Processors,
        device: torch.device,
    ) -> None:
        self.name = name
        self.task = task
        self.device = device
        self.rebuild = container.rebuild
        self.host = _host_inputs(name, task, registry, container, shared)
        self.forms = {tensor.name: [parse_form(dim) for dim in tensor.dims] for tensor in task.given}
        self.dtypes = {tensor.name: DTYPES.get(tensor.dtype) for tensor in task.given}
        """Number formats; None for what is a list, such as texts."""

    def read(self, raw: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, int], bool]:
        """Named tensors, the size of every free dimension, and whether single values were given.

        Raises:
            InputError: inputs are missing, unexpected, unequal in number, refused by their modality, or of a size that
                the artifact was not compiled for.
        """
        self.host.check_names(raw)
        whole = self.host.whole(raw)
        return *self.fit(self.tensors(self.host.arrays(whole, whole))), self.host.is_single(raw)

    def tensors(self, arrays: Mapping[str, Mapping[str, Any]]) -> dict[str, Tensor]:
        """The arrays of inputs as named tensors; an optional mask that is absent says that all is visible."""
        return {
            key: tensor
            for name, ports in arrays.items()
            for port, value in ports.items()
            for key, tensor in named_parts(f"{name}.{port}", self.kind(name, port), value).items()
        }

    def kind(self, name: str, port: str) -> Kind:
        """The kind of a host port."""
        return self.host.inputs[name].ports[port].kind

    def records(self, tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Any]]:
        """Named tensors as a live model takes them: a tensor or a record by input and host port."""
        found: dict[str, dict[str, Any]] = {}
        for name, item in self.host.inputs.items():
            for port in item.ports:
                kind = self.kind(name, port)
                keys = _keys(f"{name}.{port}", kind)
                parts = [self._placed(tensors[key]) for key in keys]
                found.setdefault(name, {})[port] = parts[0] if kind.record is None else kind.record(*parts)
        return found

    def fit(self, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, int]]:
        """Cast to what the programs take, on their device, with the size of every free dimension that is known."""
        sizes = self._sizes(tensors)
        cast = {
            name: self._placed(tensors[name], dtype) for name, dtype in self.dtypes.items() if name in tensors
        }
        return cast, sizes

    def _placed(self, value: Any, dtype: torch.dtype | None = None) -> Any:
        """A tensor on the device; a list, such as texts, as it is."""
        return value if isinstance(value, list) else value.to(self.device, dtype)

    def _sizes(self, tensors: Mapping[str, Tensor]) -> dict[str, int]:
        sizes = hold_sizes(
            Given(
                name.partition(".")[0],
                f"[{', '.join(map(str, forms))}], as it was compiled",
                self._labels(name),
                forms,
                _shape(tensors[name]),
            )
            for name, forms in self.forms.items()
            if name in tensors
        )
        for symbol, size in sizes.items():
            self._check_range(symbol, size)
        return sizes

    def _labels(self, key: str) -> list[str]:
        """What the kind calls the dimensions of a tensor `input.port` or `input.port.field`."""
        kind, axes = self._axes(key)
        return [kind.dims[axis] for axis in axes]

    def _axes(self, key: str) -> tuple[Kind, tuple[int, ...]]:
        """The kind of a tensor's port, and which of its dimensions the tensor has."""
        name, port, *label = key.split(".")
        kind = self.kind(name, port)
        field = kind.fields[label[0]] if label else next(iter(kind.fields.values()))
        return kind, field.dims

    @property
    def samples(self) -> str | None:
        """The free dimension that counts samples; None where there is none."""
        own = [name for name in self.host.per_sample if self.host.inputs[name].several is None]
        for key, forms in self.forms.items():
            kind, axes = self._axes(key)
            if key.partition(".")[0] in own and kind.batch_axis in axes:
                form = forms[axes.index(kind.batch_axis)]
                return str(form) if form.is_symbol else None
        return None

    @property
    def batch_sizes(self) -> tuple[int, int | None]:
        """The fewest and the most samples of one batch; None where there is no limit."""
        for key, forms in self.forms.items():
            if key.partition(".")[0] not in self.host.per_sample:
                continue
            kind, axes = self._axes(key)
            if kind.batch_axis not in axes:
                continue
            form = forms[axes.index(kind.batch_axis)]
            if form.is_number:
                return form.constant, form.constant
            if form.is_symbol:
                span = self.task.ranges[str(form)]
                return span.low, span.high
        return self.host.batch_limits

    def _check_range(self, symbol: str, size: int) -> None:
        span = self.task.ranges[symbol]
        if not span.low <= size <= span.high:
            wider = f"{min(size, span.low)}..{max(size, span.high)}"
            raise InputError(
                f"`{symbol}` is {size}, and task `{self.name}` was compiled for {span}; give less or more at a time, "
                f"or rebuild with `{self.rebuild} --range {symbol}={wider}`"
            )


def _host_inputs(
    name: str, task: Task, registry: Registry, container: Container, shared: Processors
) -> HostInputs:
    """What the manifest says of a task's inputs, with the processors that installed plugins make."""
    inputs = {}
    for key, entry in task.inputs.items():
        modality, config = modality_of(entry, registry, container)
        types = {port: parse_port_type(text) for port, text in entry.ports.items()}
        ports = {port: HostPort(registry.kinds[found.kind], found) for port, found in types.items()}
        for found in ports.values():
            if len(found.type.dims) != len(found.kind.dims):
                raise ArtifactError(
                    f"{container.path}: input `{key}` takes {found.type}, and the installed kind `{found.kind.id}` has "
                    f"{len(found.kind.dims)} dimensions: rebuild it with `{container.rebuild}`"
                )
        several = None if entry.several is None else Several(*entry.several)
        inputs[key] = HostInput(
            key, modality, config, shared.of(modality, config), ports, several, entry.default
        )
    limits = {symbol: (low, high) for symbol, (low, high) in task.limits.items()}
    return HostInputs(name, inputs, limits)


def _keys(name: str, kind: Kind) -> list[str]:
    """What the tensors of a value called `name` are called."""
    return [name] if kind.record is None else [f"{name}.{label}" for label in kind.fields]


def named_parts(name: str, kind: Kind, value: Any) -> dict[str, Tensor]:
    """The tensors of a value by name; an optional mask that is absent says that all is visible."""
    parts = value if kind.record is not None else (value,)
    fields = list(zip(_keys(name, kind), kind.fields.values(), parts, strict=True))
    # Contiguous, as the tensors that a program was made with; a library would copy others at every call.
    tensors = {key: _contiguous(part) for key, _, part in fields if part is not None}
    lengths = {
        axis: size
        for key, field, _ in fields
        if key in tensors
        for axis, size in zip(field.dims, _shape(tensors[key]), strict=True)
    }
    for key, field, _ in fields:
        if key not in tensors:
            tensors[key] = torch.ones([lengths[axis] for axis in field.dims], dtype=torch.int64)
    return {key: tensors[key] for key, _, _ in fields}


def _contiguous(part: Any) -> Any:
    found = to_tensors(part)
    return found if isinstance(found, list) else found.contiguous()


def _shape(value: Any) -> tuple[int, ...]:
    """The sizes of a tensor; a list has its length."""
    return (len(value),) if isinstance(value, list) else tuple(value.shape)
