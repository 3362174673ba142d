"""A plugin of given entries, for the kit."""

from __future__ import annotations

from typing import Any

from composer.plugin import Register, hookimpl

__all__ = ["Offers"]


class Offers:
    """A plugin that offers the given entries."""

    __name__ = "offered"

    def __init__(self, *entries: Any) -> None:
        self.entries = entries

    @hookimpl
    def composer_register(self, register: Register) -> None:
        register(*self.entries)
