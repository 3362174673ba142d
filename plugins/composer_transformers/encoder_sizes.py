"""The sizes of an encoder, read from its config alone: by the library's names, with the library's defaults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from composer_transformers.model_folder import JSON, strange_names

__all__ = ["Sizes"]

MOST = 1 << 30
"""A larger size is an error in the config."""
ALWAYS = ("model_type", "rope_theta", "rope_scaling", "rope_parameters")


@lru_cache(maxsize=1)
def _known() -> Mapping[str, Mapping[str, Mapping[str, JSON]]]:
    found: Mapping[str, Mapping[str, Mapping[str, JSON]]] = json.loads(
        Path(__file__).with_name("config_fields.json").read_text(encoding="utf-8")
    )
    return found


@dataclass(frozen=True)
class Sizes:
    """One config of a class of transformers; `where` names it in messages."""

    config_class: str
    config: Mapping[str, JSON]
    where: str = "config"

    def value(self, name: str) -> JSON:
        """What the config says, or what the library takes where it says nothing."""
        known = _known()[self.config_class]
        own = str(known["renames"].get(name, name))
        return self.config.get(own, self.config.get(name, known["fields"].get(own)))

    def size(self, name: str) -> int:
        """A whole number from 1, or of two numbers that are one. Raises ValueError for anything else."""
        found = self.value(name)
        if isinstance(found, list) and len(set(map(str, found))) == 1:
            found = found[0]
        if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= MOST:
            raise ValueError(f"{self.where}: `{name}` is {found!r:.60}, not a number from 1")
        return found

    def sizes(self, name: str) -> list[int]:
        """A list of whole numbers from 1."""
        found = self.value(name)
        numbers = [each for each in found if isinstance(each, int)] if isinstance(found, list) else []
        if not numbers or numbers != found or min(numbers) < 1 or any(isinstance(n, bool) for n in numbers):
            raise ValueError(f"{self.where}: `{name}` is {found!r:.60}, not a list of numbers from 1")
        return numbers

    def inside(self, name: str, config_class: str) -> Sizes:
        """The config of a part, such as `vision_config`; what it leaves out is the library's."""
        found = self.config.get(name, {})
        if not isinstance(found, dict):
            raise ValueError(f"{self.where}: `{name}` is {found!r:.60}, not a map")
        return Sizes(config_class, found, f"{self.where}: {name}")

    def divided(self, whole: str, part: str) -> int:
        """How often one size goes into another, which it has to divide."""
        large, small = self.size(whole), self.size(part)
        if large % small:
            raise ValueError(f"{self.where}: {whole} {large} is not a multiple of {part} {small}")
        return large // small

    def hold_heads(self) -> None:
        """Raises ValueError where the width does not divide into the heads."""
        if isinstance(self.value("num_attention_heads"), int):
            self.divided("hidden_size", "num_attention_heads")

    def strange_names(self, further: tuple[str, ...] = ()) -> list[str]:
        """A sentence for every key that the family does not have."""
        known = _known()[self.config_class]
        names = [*known["fields"], *known["renames"], *ALWAYS, *further]
        return strange_names(self.config, names, self.where, f"a {self.config_class}")
