"""Processors of modalities, each made once for all tasks of a model: a vocabulary or a table is in memory once."""

from __future__ import annotations

from typing import Any

from composer.plugin import Config, Modality
from composer.runtime.importing import import_object

__all__ = ["Processors"]


class Processors:
    """Makes processors on demand; inputs with the same modality and config get the same one.

    A processor is a function of its config, so that sharing it shares no state.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], Any] = {}

    def of(self, modality: Modality, config: Config) -> Any:
        """The processor of a modality with a config; raises ImplementationError where it cannot be imported."""
        key = (modality.id, config.model_dump_json())
        if key not in self._made:
            self._made[key] = import_object(modality.processor, f"modality {modality.id}")(config)
        return self._made[key]
