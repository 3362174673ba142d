"""The promise of a modality: its processor makes the host ports of raw values, and `prepare` the ports from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from composer.conformance.examples import example_configs
from composer.conformance.report import Failure, Skip
from composer.conformance.sample_inputs import fields_of
from composer.execution.host_values import held_value
from composer.execution.input_sizes import Given, hold_sizes
from composer.execution.inputs import to_tensors
from composer.execution.processors import encoded
from composer.execution.slot_values import PortValues
from composer.plugin.answers import as_instance, as_ports
from composer.plugin.asking import ask, import_object
from composer.plugin.declarations import Config, Modality
from composer.plugin.implementations import as_processor, tokenizer_of
from composer.problems import InputError
from composer.types import BATCH, Kind, PortType

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
        host = ask(modality.host or modality.ports, config, what="its host ports", accept=as_ports)
        prepare = _prepare(modality, config)
        for batch in (values, *([value] for value in values)):
            found = encoded(modality, processor, batch, host)
            _hold(found, host, kinds, len(batch), "encode")
            if prepare is not None:
                declared = ask(modality.ports, config, what="its ports", accept=as_ports)
                made = prepare(
                    **{
                        port: to_tensors(held_value(port, kinds[type_.kind], found[port]))
                        for port, type_ in host.items()
                    }
                )
                ports = made if isinstance(made, Mapping) else {next(iter(declared)): made}
                _hold(ports, declared, kinds, len(batch), "prepare")
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


def _prepare(modality: Modality, config: Config) -> Callable[..., object] | None:
    if modality.prepare is None:
        return None
    return ask(
        import_object(modality.prepare, "its `prepare`"),
        config,
        what="its `prepare`",
        accept=as_instance(nn.Module, "a torch module"),
    )


def _hold(
    found: PortValues, declared: Mapping[str, PortType], kinds: Mapping[str, Kind], count: int, what: str
) -> None:
    """Raises Failure where values are not what their port types say: fields, dims, samples, sizes of all ports."""
    given = []
    for name, port in declared.items():
        kind = kinds[port.kind]
        if found.get(name) is None:
            raise Failure(f"`{what}` gives no value for the port {name}")
        for field, value in fields_of(kind, found[name]).items():
            if value is None and kind.fields[field].optional:
                continue
            axes = kind.fields[field].dims
            shape = list(value.shape) if hasattr(value, "shape") else [len(value)]
            told = f"`{what}` gives {name} of shape {shape} for {count} values, and it is declared {port}"
            if len(shape) != len(axes):
                raise Failure(told)
            dims = [port.dims[axis] for axis in axes]
            for axis, dim, size in zip(axes, dims, shape, strict=True):
                expected = count if kind.dims[axis] == BATCH else dim.at_known({})
                if expected not in (None, size):
                    raise Failure(told)
            given.append(Given(name, str(port), [kind.dims[axis] for axis in axes], dims, shape))
    try:
        hold_sizes(given)
    except InputError as error:
        raise Failure(f"`{what}` gives sizes that do not go together: {error}") from None
