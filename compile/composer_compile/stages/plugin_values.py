"""What plugins say of their configs while an artifact is made: asked as foreign code is, and held to its form."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from composer.plugin import Config, Modality
from composer.plugin.answers import as_map
from composer.plugin.asking import ask

__all__ = ["config_fields", "files_of"]


def config_fields(config: Any, title: str, without: Iterable[str] = ()) -> dict[str, Any]:
    """A config as JSON values by field; `title` is whose it is. Raises PluginError."""
    dump = partial(config.model_dump, mode="json", exclude=set(without))
    return dict(ask(dump, what=f"the config of {title}", accept=as_map))


def files_of(modality: Modality, config: Config) -> dict[str, Path]:
    """The files that an input's processor reads, by the field of the config that names them. Raises PluginError."""
    if modality.files is None:
        return {}
    return ask(modality.files, config, what=f"`files` of {modality.title}", accept=_paths)


def _paths(answer: Any) -> dict[str, Path]:
    found = dict(as_map(answer))
    if not all(isinstance(name, str) and isinstance(path, (str, Path)) for name, path in found.items()):
        raise TypeError("paths by the name of a field are expected")
    return {name: Path(path) for name, path in found.items()}
