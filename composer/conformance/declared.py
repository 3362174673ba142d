"""Promises of declarations that need no tensor: configs that can be described, ports of modalities, adapters."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import ValidationError

from composer.conformance.report import Failure, Skip
from composer.graph import check
from composer.plugin.answers import as_adapter_config, as_ports
from composer.plugin.asking import ask
from composer.plugin.declarations import Config, Document, Modality, ModuleType
from composer.plugin.registry import Registry
from composer.problems.first_line import refusal
from composer.types import Dim, Kind, PortType

__all__ = ["check_adapter", "check_config", "check_document", "check_kind", "check_ports"]


def check_kind(kinds: Mapping[str, Kind], kind: Kind) -> str:
    """Its record is made from its fields by name, and keeps them; its parent is registered, and has as many dims."""
    if kind.record is not None:
        values = {name: object() for name in kind.fields}
        record = kind.record(**values)
        if not isinstance(record, tuple) or list(record) != list(values.values()):
            raise Failure("its record does not keep the fields that it is made of: let it be a NamedTuple")
    if kind.parent is not None:
        if kind.parent not in kinds:
            raise Failure(f"no plugin registers its parent, the kind {kind.parent!r}")
        dims = kinds[kind.parent].dims
        if len(dims) != len(kind.dims):
            raise Failure(
                f"its parent is written {kind.parent}[{', '.join(dims)}], with another number of dims"
            )
    return ""


def check_document(registry: Registry, document: Document) -> str:
    """The checker finds no error in it."""
    errors = check(document.path, registry=registry).errors
    if errors:
        more = f", and {len(errors) - 1} more: composer check {document.id}" if len(errors) > 1 else ""
        raise Failure(f"{errors[0].code}: {errors[0].message}{more}")
    return ""


def check_config(model: type[Config]) -> str:
    """The config has a JSON Schema, which editors read."""
    try:
        model.model_json_schema()
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise Failure(
            f"`{model.__name__}` has no JSON Schema ({reason}): give its fields plain types"
        ) from None
    return ""


def check_ports(modality: Modality, kinds: Mapping[str, Kind]) -> str:
    """The ports under the default config are of registered kinds, on the host and in the program.

    Where a config refuses its defaults, as one that takes one of two fields does, its first example stands for them.
    """
    required = [name for name, field in modality.config.model_fields.items() if field.is_required()]
    if required:
        raise Skip(f"its config has no default for {', '.join(required)}")
    try:
        config = modality.config()
    except ValidationError:
        if not modality.examples:
            raise
        config = modality.config.model_validate(modality.examples[0])
    functions: dict[str, Callable[[object], object] | None] = {"ports": modality.ports, "host": modality.host}
    for name, function in functions.items():
        if function is not None:
            _hold_kinds(ask(function, config, what=f"`{name}`", accept=as_ports), kinds)
    return ""


def _hold_kinds(ports: Mapping[str, PortType], kinds: Mapping[str, Kind]) -> None:
    for name, port in ports.items():
        if port.kind not in kinds:
            raise Failure(f"port {name} is {port}, and no plugin registers the kind {port.kind!r}")
        dims = kinds[port.kind].dims
        if len(dims) != len(port.dims):
            raise Failure(f"port {name} is {port}, but the kind is written {port.kind}[{', '.join(dims)}]")


def check_adapter(entry: ModuleType, kinds: Mapping[str, Kind]) -> str:
    """Asked for any two port types of one kind or two, it gives a config that the type takes, or None."""
    assert entry.adapter is not None
    types = [PortType(kind.id, tuple(Dim(8 + i) for i in range(len(kind.dims)))) for kind in kinds.values()]
    for given in types:
        for wanted in types:
            found = ask(entry.adapter, given, wanted, what="its adapter", accept=as_adapter_config)
            if found is not None:
                _hold_config(entry, found, given, wanted)
    return ""


def _hold_config(entry: ModuleType, config: Mapping[str, object], given: PortType, wanted: PortType) -> None:
    try:
        entry.config.model_validate(config)
    except ValueError as error:
        told = f"from {given} to {wanted} it gives a config that the type refuses: {refusal(error)}"
        raise Failure(told) from None
