"""What is known of a model from its config alone: its sizes and special tokens, held and in plain numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from composer.plugin import refuse_all
from composer_transformers.families import Family
from composer_transformers.model_folder import JSON, strange_names

__all__ = ["ModelFacts", "defaults_of", "facts_of", "special_ids"]

MOST = {"vocabulary": 1 << 24, "width": 1 << 20, "layers": 1 << 12, "heads": 1 << 12, "positions": 1 << 30}
"""More than any model has: a larger size is an error in the config, and would decide the size of a table."""
ENDLESS = 1 << 20
"""Positions of a model whose positions are relative."""
ALSO = (
    "rope_theta",
    "rope_scaling",
    "model_type",
    "decoder_start_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
)
"""Keys that configs have beside the fields of their class."""
ROPES = ("default", "linear", "yarn", "llama3")
"""Types of rotary positions that the library computes for every family that has them."""
AXIAL_ROPES = (*ROPES, "mrope")
"""Those of families whose positions have several axes."""
SECTIONS = "mrope_section"
"""The key of rotary positions that says how much of a head belongs to each axis."""
USUAL_SECTIONS: list[JSON] = [16, 24, 24]
"""What the library takes where a config says nothing."""
MOVING_ROPES = ("dynamic", "longrope", "su")
"""Rotary positions that depend on how long the longest text of a batch is: no text would be the same alone."""


@dataclass(frozen=True)
class ModelFacts:
    """The sizes that signatures are made of."""

    width: int
    vocabulary: int
    positions: int
    layers: int
    heads: int
    key_value_heads: int
    is_tied: bool
    """Whether the word embeddings are the weight of the head, too."""
    frames: int = 0
    """Of a family that hears: how many frames of a spectrogram are read, always as many."""
    bins: int = 0
    """And how many numbers each of them has."""


@lru_cache(maxsize=1)
def _known() -> Mapping[str, Mapping[str, Mapping[str, JSON]]]:
    found: Mapping[str, Mapping[str, Mapping[str, JSON]]] = json.loads(
        Path(__file__).with_name("config_fields.json").read_text(encoding="utf-8")
    )
    return found


def facts_of(
    family: Family, config: Mapping[str, JSON], *, where: str = "config", strict: bool
) -> ModelFacts:
    """The sizes in a config. `strict` refuses keys that the family does not have, as of what a person wrote.

    Raises ValueError for what is missing, misspelt or no size; every key that is misspelt is told.
    """
    known = _known()[family.config_class]
    values = _Values(family, config, where, known["fields"], known["renames"])
    if strict:
        refuse_all(values.strange_names())
    heads = values.size("num_attention_heads", "heads")
    groups = (
        heads if values.value("num_key_value_heads") is None else values.size("num_key_value_heads", "heads")
    )
    if heads % groups:
        raise ValueError(
            f"{where}: num_attention_heads {heads} is not a multiple of num_key_value_heads {groups}"
        )
    width = values.size("hidden_size", "width")
    if values.value("head_dim") is None and width % heads:
        raise ValueError(f"{where}: hidden_size {width} is not a multiple of num_attention_heads {heads}")
    values.hold_kind()
    if family.axes > 1:
        values.hold_sections(width, heads)
    return ModelFacts(
        width=width,
        vocabulary=values.size("vocab_size", "vocabulary"),
        positions=values.size(family.positions, "positions", required=False)
        if values.value(family.positions) is not None
        else ENDLESS,
        layers=values.size("num_hidden_layers", "layers"),
        heads=heads,
        key_value_heads=groups,
        is_tied=bool(values.value("tie_word_embeddings")),
        frames=2 * values.size("max_source_positions", "positions", required=False) if family.hears else 0,
        bins=values.size("num_mel_bins", "width", required=False) if family.hears else 0,
    )


@dataclass(frozen=True)
class _Values:
    """A config, read by the names that most families have."""

    family: Family
    config: Mapping[str, JSON]
    where: str
    fields: Mapping[str, JSON]
    renames: Mapping[str, JSON]

    def value(self, name: str) -> JSON:
        """What the config says, under either of the names, or what the library takes where it says nothing."""
        own = str(self.renames.get(name, name))
        return self.config.get(own, self.config.get(name, self.fields.get(own)))

    def size(self, name: str, what: str, *, required: bool = True) -> int:
        own = str(self.renames.get(name, name))
        if required and own not in self.config and name not in self.config:
            raise ValueError(f"{self.where} lacks `{own}`, which every {self.family.name} model says")
        found = self.value(name)
        if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= MOST[what]:
            raise ValueError(f"{self.where}: `{own}` is {found!r:.60}, not a number from 1 to {MOST[what]:,}")
        return found

    def strange_names(self) -> list[str]:
        names = [*self.fields, *self.renames, *ALSO]
        return strange_names(self.config, names, self.where, f"a {self.family.name} model")

    def hold_kind(self) -> None:
        """Raises ValueError for variants of a family that write no text from left to right, or not row by row."""
        for name in ("use_bidirectional_attention", "add_cross_attention"):
            if self.value(name):
                raise ValueError(
                    f"{self.where}: `{name}` makes another model of it than one that writes text"
                )
        for name in ("rope_parameters", "rope_scaling"):
            for kind in _rope_types(self.config.get(name)):
                if kind in MOVING_ROPES:
                    raise ValueError(
                        f"{self.where}: `{name}` of the type {kind!r} changes with the longest text of a batch, so no "
                        "text would be read as it is alone; leave it out, or take the type 'yarn' or 'linear'"
                    )
                known = ROPES if self.family.axes == 1 else AXIAL_ROPES
                if kind not in known:
                    raise ValueError(
                        f"{self.where}: `{name}` is of the type {kind!r:.60}, which {self.family.name} models do not "
                        f"have here; there are {', '.join(known)}"
                    )

    def hold_sections(self, width: int, heads: int) -> None:
        """Raises ValueError where the parts of a head that belong to the axes do not make it up."""
        axes, head = self.family.axes, self.value("head_dim")
        half = (head if isinstance(head, int) else width // heads) // 2
        said = self.config.get("rope_parameters") or self.config.get("rope_scaling")
        sections = said.get(SECTIONS, USUAL_SECTIONS) if isinstance(said, dict) else USUAL_SECTIONS
        sizes = [size for size in sections if isinstance(size, int)] if isinstance(sections, list) else []
        if len(sizes) != axes or sizes != sections or min(sizes) < 1 or sum(sizes) != half:
            raise ValueError(
                f"{self.where}: `{SECTIONS}` is {sections!r:.60}: {axes} numbers are wanted, which make {half}, half "
                "of a head"
            )


def _rope_types(found: JSON) -> list[str]:
    """The types in a map of rotary positions, or in one map for each type of layer."""
    if not isinstance(found, dict):
        return []
    own = [found[name] for name in ("rope_type", "type") if isinstance(found.get(name), str)]
    return [str(kind) for kind in own] + [kind for each in found.values() for kind in _rope_types(each)]


def defaults_of(family: Family) -> Mapping[str, JSON]:
    """What the library takes for what a config does not say."""
    return _known()[family.config_class]["fields"]


def special_ids(name: str, *configs: Mapping[str, JSON]) -> tuple[int, ...]:
    """The ids that the first config that says something gives for `bos`, `eos` or `pad`; there may be several ends."""
    for config in configs:
        found = config.get(f"{name}_token_id")
        listed = found if isinstance(found, list) else [found]
        ids = tuple(
            each for each in listed if isinstance(each, int) and not isinstance(each, bool) and each >= 0
        )
        if ids:
            return ids
    return ()
