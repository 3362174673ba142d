"""The promise of a modality: its processor makes the host ports of raw values, and `prepare` the ports from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch.utils._pytree import tree_map_only

from composer.conformance.examples import example_configs
from composer.conformance.report import Failure, Skip
from composer.conformance.samples import fields_of
from composer.execution.values import PortValues
from composer.plugin.answers import as_map, as_ports
from composer.plugin.asking import ask, import_object
from composer.plugin.declarations import Config, Modality
from composer.plugin.implementations import as_processor, tokenizer_of
from composer.types import Kind, PortType

__all__ = ["check_processor"]


def check_processor(modality: Modality, kinds: Mapping[str, Kind]) -> str:
    """Raw values together and each alone give the declared ports, one sample per value; a tokenizer writes text."""
    if modality.sample is None:
        raise Skip("it names no raw values (`sample`), so its processor was not run")
    for config in example_configs(modality):
        values = _values(modality, config)
        processor = ask(
            import_object(modality.processor, modality.title),
            config,
            what=f"the processor of {modality.title}",
            accept=as_processor,
        )
        for batch in (values, *([value] for value in values)):
            found = ask(processor.encode, batch, what=f"`encode` of {modality.title}", accept=as_map)
            declared = ask(modality.host or modality.ports, config, what="its host ports", accept=as_ports)
            _hold(found, declared, kinds, len(batch), "encode")
            if modality.prepare is not None:
                _check_prepare(modality, config, found, kinds, len(batch))
        if hasattr(processor, "tokenizer"):
            text = tokenizer_of(processor, modality.title).decode([0, 1])
            if not isinstance(text, str):
                raise Failure(f"its tokenizer decodes ids to a {type(text).__name__}, not to a text")
    return ""


def _values(modality: Modality, config: Config) -> list[object]:
    assert modality.sample is not None
    values = ask(import_object(modality.sample, "its `sample`"), config, what="its `sample`")
    if not isinstance(values, (list, tuple)) or len(values) < 2:
        raise Failure("its `sample` gives no list of two raw values or more")
    return list(values)


def _check_prepare(
    modality: Modality, config: Config, host: Mapping[str, object], kinds: Mapping[str, Kind], count: int
) -> None:
    assert modality.prepare is not None
    module = ask(import_object(modality.prepare, "its `prepare`"), config, what="its `prepare`")
    made = module(
        **{port: tree_map_only(np.ndarray, torch.from_numpy, value) for port, value in host.items()}
    )
    declared = ask(modality.ports, config, what="its ports", accept=as_ports)
    ports = made if isinstance(made, Mapping) else {next(iter(declared)): made}
    _hold(ports, declared, kinds, count, "prepare")


def _hold(
    found: PortValues,
    declared: Mapping[str, PortType],
    kinds: Mapping[str, Kind],
    count: int,
    what: str,
) -> None:
    """Raises Failure where values are not what their port types say: fields, dims, sizes that are numbers, samples."""
    for name, port in declared.items():
        kind = kinds[port.kind]
        if found.get(name) is None:
            raise Failure(f"`{what}` gives no value for the port {name}")
        sizes: dict[str, int] = {}
        for field, value in fields_of(kind, found[name]).items():
            if value is None and kind.fields[field].optional:
                continue
            axes = kind.fields[field].dims
            shape: Sequence[int] = value.shape if hasattr(value, "shape") else (len(value),)
            if len(shape) != len(axes):
                raise Failure(f"`{what}` gives {name} of shape {list(shape)}, and it is declared {port}")
            for axis, size in zip(axes, shape, strict=True):
                dim = port.dims[axis]
                known = dim.constant if dim.is_number else sizes.setdefault(str(dim), size)
                if axis == 0 and kind.dims[0] == "batch":
                    known = count
                if size != known:
                    raise Failure(
                        f"`{what}` gives {name} of shape {list(shape)} for {count} values, and it is declared {port}"
                    )
