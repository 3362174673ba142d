"""What plugins say of their configs while an artifact is made: asked as foreign code is, and held to its form."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from composer.plugin.answers import as_map
from composer.plugin.asking import ask

__all__ = ["config_fields"]


def config_fields(config: Any, title: str, without: Iterable[str] = ()) -> dict[str, Any]:
    """A config as JSON values by field; `title` is whose it is. Raises PluginError."""
    dump = partial(config.model_dump, mode="json", exclude=set(without))
    return dict(ask(dump, what=f"the config of {title}", accept=as_map))
