"""Processors of modalities, each made once for all tasks of a model: a vocabulary or a table is in memory once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from composer.plugin import Config, Modality, Processor
from composer.plugin.answers import as_map
from composer.plugin.asking import ask, import_object
from composer.plugin.implementations import as_processor

__all__ = ["Processors", "encoded"]


class Processors:
    """Makes processors on demand; inputs with the same modality and config get the same one.

    A processor is a function of its config, so that sharing it shares no state.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], Processor] = {}

    def of(self, modality: Modality, config: Config) -> Processor:
        """The processor of a modality with a config; raises PluginError where it cannot be made."""
        key = (modality.id, ask(config.model_dump_json, what=f"the config of {modality.title}"))
        if key not in self._made:
            what = f"the processor of {modality.title}"
            builder = import_object(modality.processor, what)
            self._made[key] = ask(builder, config, what=what, accept=as_processor)
        return self._made[key]


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
