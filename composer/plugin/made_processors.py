"""Processors of modalities, each made once for all tasks of a model: a vocabulary or a table is in memory once."""

from __future__ import annotations

from composer.plugin.asking import ask, import_object
from composer.plugin.contracts import Processor
from composer.plugin.declarations import Config, Modality, config_text

__all__ = ["Processors", "as_processor"]


def as_processor(answer: object) -> Processor:
    """An object with the method `encode`."""
    if not callable(getattr(answer, "encode", None)):
        raise TypeError("an object with the method `encode` is expected")
    processor: Processor = answer  # type: ignore[assignment]
    return processor


class Processors:
    """Makes processors on demand; inputs with the same modality and config get the same one.

    A processor is a function of its config, so that sharing it shares no state.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], Processor] = {}

    def of(self, modality: Modality, config: Config) -> Processor:
        """The processor of a modality with a config; raises PluginError where it cannot be made."""
        key = (modality.id, ask(config_text, config, what=f"the config of {modality.title}"))
        if key not in self._made:
            what = f"the processor of {modality.title}"
            builder = import_object(modality.processor, what)
            self._made[key] = ask(builder, config, what=what, accept=as_processor)
        return self._made[key]
