"""The host side of a request to an artifact: raw values to the named tensors that programs take."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from composer.execution.input_sizes import Given, hold_sizes
from composer.execution.inputs import check_batches, check_names, check_record, holds_samples
from composer.execution.processors import Processors, encoded
from composer.plugin import Modality, ModuleType, Registry, SearchPolicy
from composer.plugin.asking import ask
from composer.problems import InputError
from composer.types import Dim, parse_form
from composer_compile.artifact.container import Container
from composer_compile.artifact.dtypes import DTYPES
from composer_compile.artifact.manifest import Input, Task
from composer_compile.errors import ArtifactError

__all__ = ["Requests", "config_of", "processor_of"]


def processor_of(entry: Input, registry: Registry, container: Container, shared: Processors) -> Any:
    """The processor of an input, with its files taken from the artifact; one for all inputs that are read alike.

    The manifest names a modality by its id, never by a path of code: what runs is what the installed plugins register.
    """
    modality = registry.modalities[entry.modality]
    files = {field: str(container.unpacked(name).absolute()) for field, name in entry.files.items()}
    config = config_of(modality, "modalities", {**entry.config, **files}, container)
    return shared.of(modality, config)


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
    read = partial(declared.config.model_validate_json, json.dumps(fields))
    try:
        return ask(read, what=f"the config of {declared.title}", passing=(ValueError,))
    except ValueError as error:
        offered = container.manifest.requires.get(section, {}).get(declared.id)
        made_with = (offered.package if offered else "") or "the plugin"
        raise ArtifactError(
            f"{container.path}: the installed {declared.noun} `{declared.id}` does not take the config that the "
            f"artifact was made with ({str(error).splitlines()[-1].strip()}): install {made_with} again, or rebuild it "
            f"with `{container.rebuild}`"
        ) from None


class Requests:
    """The inputs of one task: processors, batching, and the check of sizes against the compiled ranges."""

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
        self.processors = {
            key: processor_of(entry, registry, container, shared) for key, entry in task.inputs.items()
        }
        self.modalities = {key: registry.modalities[entry.modality] for key, entry in task.inputs.items()}
        self.records = {
            (key, port): registry.kinds[kind]
            for key, entry in task.inputs.items()
            for port, kind in entry.ports.items()
        }
        self.forms = {tensor.name: [parse_form(dim) for dim in tensor.dims] for tensor in task.given}
        self.dtypes = {tensor.name: DTYPES[tensor.dtype] for tensor in task.given}

    def read(self, raw: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, int], bool]:
        """Named tensors, the size of every free dimension, and whether single values were given.

        Raises:
            InputError: inputs are missing, unexpected, unequal in number, refused by their modality, or of a size that
                the artifact was not compiled for.
        """
        check_names(self.name, self.task.inputs, raw)
        return *self.fit(self.tensors(raw, raw)), self.is_single(raw)

    def is_single(self, raw: Mapping[str, Any]) -> bool:
        """Whether single values were given rather than lists."""
        main = next(iter(self.task.batch.values()))
        return not any(
            holds_samples(raw[key]) for key, batch in self.task.batch.items() if batch == main and key in raw
        )

    def tensors(self, raw: Mapping[str, Any], names: Collection[str]) -> dict[str, Tensor]:
        """Named tensors of some of the inputs; `raw` has at least these, and all that is there forms batches."""
        tensors: dict[str, Tensor] = {}
        for key, processor in self.processors.items():
            if key not in names:
                continue
            entry = self.task.inputs[key]
            given = encoded(self.modalities[key], processor, self._values(key, raw), entry.ports)
            for port, value in given.items():
                tensors.update(self._fields(key, port, value))
        return tensors

    def check_known(self, raw: Mapping[str, Any]) -> None:
        """Raise InputError for inputs that the task does not have; the others may be missing."""
        check_names(self.name, self.task.inputs, [*self.task.inputs, *raw])

    def check_asked(self, kept: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
        """Raise InputError where inputs do not make up a request with those that a session keeps."""
        check_names(self.name, self.task.inputs, {**kept, **asked})
        check_batches(kept, asked, self.task.batch, lambda key, raw: len(self._values(key, raw)))

    def fit(self, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, int]]:
        """Cast to what the programs take, on their device, with the size of every free dimension that is known."""
        sizes = self._sizes(tensors)
        cast = {
            name: tensors[name].to(self.device, dtype)
            for name, dtype in self.dtypes.items()
            if name in tensors
        }
        return cast, sizes

    def _sizes(self, tensors: Mapping[str, Tensor]) -> dict[str, int]:
        sizes = hold_sizes(
            Given(name, _declared(forms), self._labels(name), forms, tensors[name].shape)
            for name, forms in self.forms.items()
            if name in tensors
        )
        for symbol, size in sizes.items():
            self._check_range(symbol, size)
        return sizes

    def _labels(self, name: str) -> list[str]:
        """What the kind calls the dimensions of a tensor `input.port` or `input.port.field`."""
        key, port, *label = name.split(".")
        kind = self.records[key, port]
        field = kind.fields[label[0]] if label else next(iter(kind.fields.values()))
        return [kind.dims[axis] for axis in field.dims]

    def _check_range(self, symbol: str, size: int) -> None:
        span = self.task.ranges[symbol]
        if not span.low <= size <= span.high:
            wider = f"{min(size, span.low)}..{max(size, span.high)}"
            raise InputError(
                f"`{symbol}` is {size}, and task `{self.name}` was compiled for {span}; give less or more at a time, "
                f"or rebuild with `{self.rebuild} --range {symbol}={wider}`"
            )

    def _values(self, key: str, raw: Mapping[str, Any]) -> list[Any]:
        """The values of one input; a single one is repeated for the lists that it goes with."""
        batches = {other: batch for other, batch in self.task.batch.items() if other in raw}
        together = [other for other, batch in batches.items() if batch == self.task.batch[key]]
        counts = {len(raw[other]) for other in together if holds_samples(raw[other])}
        if len(counts) > 1:
            raise InputError(
                f"the inputs {', '.join(together)} form one batch and have unequal numbers of values "
                f"({', '.join(map(str, sorted(counts)))})"
            )
        if counts == {0}:
            raise InputError(f"input `{key}` is an empty list: give at least one value")
        value = raw[key]
        return list(value) if holds_samples(value) else [value] * (counts.pop() if counts else 1)

    def _fields(self, key: str, port: str, value: Any) -> dict[str, Tensor]:
        kind = self.records[key, port]
        check_record(key, kind, value)
        if kind.record is None:
            return {f"{key}.{port}": _tensor(value)}
        given = dict(zip(kind.fields, value, strict=True))
        shaped = {label: _tensor(item) for label, item in given.items() if item is not None}
        lengths = {
            axis: size
            for label, tensor in shaped.items()
            for axis, size in zip(kind.fields[label].dims, tensor.shape, strict=True)
        }
        for label, found in kind.fields.items():
            if label not in shaped:  # an absent mask says that all is visible
                shaped[label] = torch.ones([lengths[axis] for axis in found.dims], dtype=torch.int64)
        return {f"{key}.{port}.{label}": shaped[label] for label in kind.fields}


def _declared(forms: Sequence[Dim]) -> str:
    return f"[{', '.join(map(str, forms))}]"


def _tensor(value: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(value)) if not isinstance(value, Tensor) else value
