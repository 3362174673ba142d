"""What processors of modalities make of raw values, held to the ports that they promise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from composer.plugin import Modality, Processor
from composer.plugin.answers import as_map
from composer.plugin.asking import ask
from composer.plugin.made_processors import Processors

__all__ = ["Processors", "encoded"]


def encoded(
    modality: Modality,
    processor: Processor,
    values: Sequence[Any],
    ports: Iterable[str],
    counts: Mapping[str, Sequence[int]] | None = None,
) -> dict[str, object]:
    """What a processor makes of raw values, by host port; `counts` is for one that counts the values of other inputs.

    Raises:
        InputError: the modality refuses a value. PluginError: the processor fails, or gives other ports.
    """
    wanted = tuple(ports)

    def read(answer: Any) -> dict[str, Any]:
        found = dict(as_map(answer))
        missing = [port for port in wanted if found.get(port) is None]
        if missing:
            raise ValueError(f"a value for the port {' and '.join(missing)} is expected")
        for port in wanted:
            _hold_value(port, found[port])
        return found

    given = (values,) if counts is None else (values, counts)
    return ask(processor.encode, *given, what=f"`encode` of {modality.title}", accept=read)


def _hold_value(port: str, value: Any) -> None:
    """Raise TypeError where a port has neither an array (a list of texts counts as one) nor a record of arrays."""
    record = isinstance(value, tuple)
    fields = [field for field in value if field is not None] if record else [value]
    if not fields or not all(isinstance(field, list) or hasattr(field, "shape") for field in fields):
        found = (
            f"a {type(value).__name__} of {', '.join(type(f).__name__ for f in value)}" if record else value
        )
        raise TypeError(
            f"port {port} is {found if record else type(value).__name__}; an array or a record is expected"
        )
