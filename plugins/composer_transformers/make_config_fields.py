"""Writes `config_fields.json`: what the configs of the families say, and what they take a value for that is left out.

Run `python -m composer_transformers.make_config_fields` after the pinned transformers has changed.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import transformers

from composer_transformers.encoder_families import ENCODER_FAMILIES
from composer_transformers.families import GENERATOR_FAMILIES

__all__ = ["FILE", "config_fields"]

TOWERS = ("CLIPTextConfig", "SiglipTextConfig")
"""Parts of models, whose configs stand inside those of the whole."""
FILE = Path(__file__).with_name("config_fields.json")


def config_fields() -> dict[str, object]:
    """By class of configs: its fields with their defaults, and the other names that it knows fields by."""
    found: dict[str, object] = {}
    encoders = {family.config_class for family in ENCODER_FAMILIES}
    generators = {family.config_class for family in GENERATOR_FAMILIES.values()}
    for name in sorted({*encoders, *generators, *TOWERS}):
        config = getattr(transformers, name)
        fields = {each.name: each.default for each in dataclasses.fields(config) if each.name[0] != "_"}
        found[name] = {
            "fields": {field: value if _is_plain(value) else None for field, value in sorted(fields.items())},
            "renames": dict(sorted(config.attribute_map.items())),
        }
    return found


def _is_plain(value: object) -> bool:
    """Whether a default is data; there may be none, or a function that makes it."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


if __name__ == "__main__":
    FILE.write_text(json.dumps(config_fields(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
