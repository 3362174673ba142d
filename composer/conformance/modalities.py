"""The promise of a modality: its processor makes the host ports of raw values, and `prepare` the ports from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from torch import nn

from composer.conformance.examples import example_configs
from composer.conformance.report import Failure, Skip
from composer.conformance.row_independence import check_rows
from composer.conformance.sameness import kept, same
from composer.conformance.sample_inputs import fields_of
from composer.conformance.text_rows import TEXTS
from composer.execution.host_values import held_value
from composer.execution.input_sizes import Given, hold_sizes
from composer.execution.inputs import to_tensors
from composer.execution.processors import encoded
from composer.execution.slot_values import PortValues
from composer.graph.readings import reads_of
from composer.plugin.answers import as_instance, as_ports
from composer.plugin.asking import ask, import_object
from composer.plugin.contracts import Processor, Tokenizer
from composer.plugin.declarations import Config, Modality
from composer.plugin.implementations import tokenizer_of
from composer.plugin.made_processors import as_processor
from composer.problems import InputError
from composer.types import Kind, PortType, Signature

__all__ = ["check_processor"]

MISSING = "no-such-folder/no-such-file"


def check_processor(modality: Modality, kinds: Mapping[str, Kind]) -> str:
    """Raw values together and each alone give the declared ports, one sample per value; a tokenizer writes text."""
    if modality.sample is None:
        raise Skip("it names no raw values (`sample`), so its processor was not run")
    for config in example_configs(modality):
        values = _values(modality, config)
        processor, other = (_processor(modality, config) for _ in range(2))
        host = ask(modality.host or modality.ports, config, what="its host ports", accept=as_ports)
        prepare = _prepare(modality, config)
        for batch in (values, *([value] for value in values)):
            found = encoded(modality, processor, batch, host)
            sizes = _hold(found, host, kinds, len(batch), "encode")
            _hold_bounds(modality, config, found, kinds, host, sizes)
            if prepare is not None:
                declared = ask(modality.ports, config, what="its ports", accept=as_ports)
                held = {port: held_value(port, kinds[host[port].kind], found[port]) for port in host}
                _check_prepare(prepare, held, declared, kinds, len(batch))
        _check_sameness(modality, processor, other, values, host)
        check_rows(partial(_encoded, modality, processor, host), values, host, kinds)
        _check_reads(modality, config, processor, host, kinds)
        if modality.names_files:
            _check_missing_file(modality, processor, host)
        if hasattr(processor, "tokenizer"):
            _check_tokenizer(tokenizer_of(processor, modality.title))
    return ""


def _encoded(
    modality: Modality, processor: Processor, host: Mapping[str, PortType], batch: Sequence[object]
) -> PortValues:
    return encoded(modality, processor, list(batch), host)


def _check_reads(
    modality: Modality,
    config: Config,
    processor: Processor,
    host: Mapping[str, PortType],
    kinds: Mapping[str, Kind],
) -> None:
    """What a node wrote may be any text: it is read, or refused in the project's own words."""
    signature = ask(Signature, reads_of(modality, config), {}, what=f"`reads` of {modality.title}")
    reads = {name: port.type for name, port in signature.inputs.items()}
    _hold_kinds(reads, kinds)
    if [port.kind for port in reads.values()] != ["text"]:
        return
    for text in TEXTS:
        try:
            found = encoded(modality, processor, [text], host)
        except InputError:
            continue
        _hold(found, host, kinds, 1, "encode")


def _hold_kinds(ports: Mapping[str, PortType], kinds: Mapping[str, Kind]) -> None:
    for name, port in ports.items():
        if port.kind not in kinds or len(kinds[port.kind].dims) != len(port.dims):
            raise Failure(f"`reads` gives {name} as {port}, which is no registered kind with its dims")


def _check_prepare(
    prepare: Callable[..., object],
    host: PortValues,
    declared: Mapping[str, PortType],
    kinds: Mapping[str, Kind],
    count: int,
) -> None:
    made = []
    for _ in range(2):
        found = prepare(**{port: to_tensors(value) for port, value in host.items()})
        made.append(found if isinstance(found, Mapping) else {next(iter(declared)): found})
        _hold(made[-1], declared, kinds, count, "prepare")
    for port in declared:
        if not same(made[0][port], made[1][port]):
            raise Failure(f"`prepare` gives another {port} for the same values, asked again")


def _check_tokenizer(tokenizer: Tokenizer) -> None:
    one, other = (tokenizer.decode([0, 1]) for _ in range(2))
    if not isinstance(one, str):
        raise Failure(f"its tokenizer decodes ids to a {type(one).__name__}, not to a text")
    if one != other:
        raise Failure(f"its tokenizer decodes the same ids to {one!r:.60} once and {other!r:.60} once")


def _check_missing_file(modality: Modality, processor: Processor, host: Mapping[str, PortType]) -> None:
    """A path that leads nowhere is one clear error, as the modality says that a text is a path."""
    try:
        encoded(modality, processor, [MISSING], host)
    except InputError:
        return
    raise Failure(f"it says that texts name files (`names_files`), and takes {MISSING}, which is not there")


def _processor(modality: Modality, config: Config) -> Processor:
    return ask(
        import_object(modality.processor, modality.title),
        config,
        what=f"the processor of {modality.title}",
        accept=as_processor,
    )


def _check_sameness(
    modality: Modality,
    processor: Processor,
    other: Processor,
    values: list[object],
    host: Mapping[str, PortType],
) -> None:
    """The same values give the same ports: asked again, after other values, and of a processor that is made anew."""
    given = kept(values)
    once = kept(encoded(modality, processor, values, host))
    if not same(given, values):
        raise Failure("`encode` changes the raw values that it is given: work on a copy")
    for told, found in (
        ("asked again", encoded(modality, processor, values, host)),
        ("of a processor that is made anew of the same config", encoded(modality, other, values, host)),
    ):
        for port in host:
            if not same(once[port], found[port]):
                raise Failure(f"`encode` gives another {port} for the same values, {told}")


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
) -> dict[str, int]:
    """The size of each symbol.

    Raises Failure where values are not what their port types say: fields, dims, samples, sizes of all ports.
    """
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
                expected = count if axis == kind.batch_axis else dim.at_known({})
                if expected not in (None, size):
                    raise Failure(told)
            given.append(Given(name, str(port), [kind.dims[axis] for axis in axes], dims, shape))
    try:
        return hold_sizes(given)
    except InputError as error:
        raise Failure(f"`{what}` gives sizes that do not go together: {error}") from None


def _hold_bounds(
    modality: Modality,
    config: Config,
    found: PortValues,
    kinds: Mapping[str, Kind],
    ports: Mapping[str, PortType],
    sizes: Mapping[str, int],
) -> None:
    """Raises Failure for a size beyond `ranges`, and for an id beyond `vocabulary`: the checker relies on both."""
    ranges = ask(modality.ranges, config, what="its `ranges`") if modality.ranges is not None else {}
    for symbol, (low, high) in ranges.items():
        if not low <= sizes.get(symbol, low) <= high:
            raise Failure(f"`encode` gives {symbol}={sizes[symbol]}, and its `ranges` say {low} to {high}")
    known = (
        ask(modality.vocabulary, config, what="its `vocabulary`") if modality.vocabulary is not None else {}
    )
    for name in known.keys() & ports.keys():
        kind = kinds[ports[name].kind]
        for field, value in fields_of(kind, found[name]).items():
            ids = np.asarray(value if value is not None else [])
            if field != kind.mask and ids.dtype.kind in "iu" and ids.size and ids.max() >= known[name].size:
                raise Failure(
                    f"`encode` gives {name} the id {ids.max()}, and its `vocabulary` has {known[name].size} ids"
                )
