"""What is known of timm's models without importing timm: a table that a script writes, and one question for the rest.

The table holds the pinned version. A model of another version, or at a size for which nothing was written down, is
built once on the meta device by a child process; what that finds is kept in the cache of the user.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composer.plugin import refuse_all
from composer.problems import InputError, nearest

if TYPE_CHECKING:
    from composer_timm.configs import BackboneConfig

__all__ = ["TABLE", "Facts", "facts_of", "hold_features", "hold_name", "installed_version", "names"]

TABLE = Path(__file__).with_name("models.json")
SEARCH = "; `composer plugins list PATTERN` searches the names"
HUBS = ("hf-hub:", "hf_hub:", "local-dir:")


@dataclass(frozen=True)
class Facts:
    """What a model takes and gives. Shapes have no batch; None where the model has no such features."""

    size: tuple[int, int]
    channels: int
    tokens: tuple[int, int] | None
    prefix: int
    pooled: int | None
    map: tuple[int, int, int] | None
    levels: tuple[tuple[int, int, int], ...] | None
    classes: int | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    crop: float
    """Part of the shorter side that is seen."""
    mode: str
    """How pictures are cropped: `center`, `squash` or `border`."""
    takes_size: bool
    """Whether the model is built for a size, as one with learned positions is."""
    grows: bool = False
    """Whether the number of places follows from the size, as the script saw."""

    @staticmethod
    def of(found: dict[str, Any]) -> Facts:
        def shape(name: str) -> Any:
            return None if found.get(name) is None else tuple(found[name])

        levels = found.get("levels")
        return Facts(
            size=shape("size"),
            channels=found["channels"],
            tokens=shape("tokens"),
            prefix=found["prefix"],
            pooled=found["pooled"],
            map=shape("map"),
            levels=None if levels is None else tuple(tuple(level) for level in levels),
            classes=found["classes"],
            mean=shape("mean"),
            std=shape("std"),
            interpolation=found["interpolation"],
            crop=found["crop"],
            mode=found["mode"],
            takes_size=found["takes_size"],
            grows=found.get("grows", False),
        )

    def at(self, size: int) -> Facts | None:
        """The facts at another size, where they follow from these."""
        if self.size == (size, size):
            return self
        if not self.grows or self.map is None or self.tokens is None:
            return None
        height, width = self.size
        step = height // self.map[1]
        coarse = max([step, *(height // level[1] for level in self.levels or ())])
        if height != width or size % coarse:
            return None

        def grown(found: tuple[int, int, int]) -> tuple[int, int, int]:
            return found[0], found[1] * size // height, found[2] * size // width

        last = grown(self.map)
        prefix = self.tokens[0] - self.map[1] * self.map[2]
        return Facts(
            **{
                **self.__dict__,
                "size": (size, size),
                "map": last,
                "tokens": (prefix + last[1] * last[2], self.tokens[1]),
                "levels": None if self.levels is None else tuple(map(grown, self.levels)),
            }
        )


@cache
def _text() -> str:
    return TABLE.read_text(encoding="utf-8")


@cache
def table_version() -> str:
    """The version of timm that the table was written for."""
    return str(_entry("timm version"))


@cache
def installed_version() -> str | None:
    """The version of timm that is installed; None where it is not."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("timm")
    except PackageNotFoundError:
        return None


def _entry(name: str) -> Any:
    """One entry of the table: each stands on a line of its own, so that the others are not read."""
    text = _text()
    key = f"\n{json.dumps(name)}: "
    at = text.find(key)
    return None if at < 0 else json.JSONDecoder().raw_decode(text, at + len(key))[0]


def names() -> tuple[str, ...]:
    """Every name of the table, with its tags."""
    found = json.loads(_text())
    del found["timm version"], found["preparations"]
    tagged = [
        f"{name}.{tag}" if tag else name for name, entry in found.items() for tag in ("", *entry["tags"])
    ]
    return tuple(dict.fromkeys(tagged))


@lru_cache(maxsize=256)
def _of_table(name: str) -> Facts | None:
    bare, _, tag = name.partition(".")
    entry = _entry(bare)
    if entry is None or (tag and tag not in entry["tags"]):
        return None
    found = {**entry["facts"]}
    found |= _entry("preparations")[entry["tags"][tag] if tag else entry["preparation"]]
    if "levels" in found and found["levels"] is not None:  # [[level, times], ...]
        found["levels"] = [level for level, times in found["levels"] for _ in range(times)]
    size, classes = found.pop("input", None), found.pop("answers", None)
    facts = Facts.of({**found, **({} if classes is None else {"classes": classes or None})})
    return facts if size is None or size == list(facts.size) else facts.at(size[0])


@lru_cache(maxsize=256)
def facts_of(name: str, image_size: int | None = None, channels: int | None = None) -> Facts:
    """The facts of a model at a size. Raises InputError, in a sentence, where nothing can be known."""
    version = installed_version()
    known = _of_table(name) if version in (None, table_version()) else None
    if known is not None and image_size is not None:
        known = known.at(image_size)
    if known is not None:
        return known if channels is None else Facts(**{**known.__dict__, "channels": channels})
    from composer_timm.asking import asked

    options = {"image_size": image_size, "channels": channels}
    return Facts.of(asked(name, {key: value for key, value in options.items() if value is not None}))


def hold_name(name: str) -> None:
    """Raises ValueError where timm has no model of this name, with near ones."""
    if name.startswith(HUBS):
        raise ValueError(
            f"{name} is fetched from elsewhere, and nothing is known of it before: write a name of timm, and the file "
            "under `weights` of the module"
        )
    if installed_version() not in (None, table_version()):
        return  # another version has other models: it is asked
    bare, _, tag = name.partition(".")
    entry = _entry(bare)
    if entry is not None:
        if tag and tag not in entry["tags"]:
            tags = ", ".join(filter(None, entry["tags"])) or "none"
            raise ValueError(f"timm {table_version()} has no weights `{tag}` of `{bare}`; it has: {tags}")
        return
    near = nearest(bare, [each for each in names() if "." not in each])
    hint = f"; did you mean `{near}`?" if near is not None else _alike(bare) or SEARCH
    raise ValueError(f"timm {table_version()} has no model `{name}`{hint}")


def _alike(name: str) -> str:
    """Names of the same family, for one that is near to none."""
    family = name.replace("-", "_").partition("_")[0].lower()
    found = [each for each in names() if "." not in each and each.startswith(family)][:5]
    return f"; of that family there are: {', '.join(found)}, ..." if family and found else ""


def hold_features(config: BackboneConfig) -> None:
    """Raises ValueError where the model does not give what `features` says, or has no such levels: all of it."""
    try:
        facts = config.facts
    except InputError as error:
        raise ValueError(str(error)) from None
    faults = []
    found = facts.classes if config.features == "scores" else getattr(facts, _FIELDS[config.features])
    if found is None and not (config.features == "scores" and config.classes):
        other = [each for each, field in _FIELDS.items() if getattr(facts, field) is not None]
        cure = ", or give it `classes`" if config.features == "scores" else ""
        faults.append(f"{config.model} gives no {config.features}: features can be {', '.join(other)}{cure}")
    levels = facts.levels or ()
    has = f"levels from 0 to {len(levels) - 1}" if levels else "no levels"
    faults += [
        f"{config.model} has {has}, not {level}" for level in config.levels if not 0 <= level < len(levels)
    ]
    refuse_all(faults)


_FIELDS = {"tokens": "tokens", "pooled": "pooled", "map": "map", "pyramid": "levels", "scores": "classes"}
