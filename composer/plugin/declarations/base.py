"""What every declaration has, and the base of every config model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

__all__ = ["REFUSED", "Config", "Declaration", "NoConfig", "OfConfig", "refuse_all"]

_T = TypeVar("_T")
OfConfig = Callable[[Any], _T]
"""A plugin's function of the config that its own config model made; each names that model."""


@dataclass(frozen=True)
class Declaration:
    """What every entry of the registry has, apart from its own parts."""

    noun: ClassVar[str] = "entry"
    """What people call it."""
    references: ClassVar[tuple[str, ...]] = ()
    """The fields that name implementations."""
    id: str
    plugin: str = field(default="", kw_only=True, compare=False, repr=False)
    """The plugin that registered it, with its distribution; the registry writes it."""

    @property
    def title(self) -> str:
        """How messages call it: ``module type `core.add` of the plugin core``."""
        return f"{self.noun} `{self.id}`" + (f" of the plugin {self.plugin}" if self.plugin else "")


class Config(BaseModel):
    """Base of every config model: unknown keys are errors, values are frozen, and no value is coerced silently.

    A docstring below a field describes it. Schemas are built at first use: most models of most plugins are not used.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class NoConfig(Config):
    """The config of what takes no `with`."""


REFUSED = "refused"
"""The type of a fault that stands beside others at one place: none of them takes the place of another."""


def refuse_all(faults: Iterable[str]) -> None:
    """Refuse a config, from inside a validator of its model, with all of these sentences; none is fine.

    Raises ValueError for one fault, and pydantic's ValidationError, which is one too, for several.
    """
    from pydantic_core import InitErrorDetails, PydanticCustomError

    found = list(dict.fromkeys(faults))
    if len(found) == 1:
        raise ValueError(found[0])
    if found:
        told = [
            InitErrorDetails(type=PydanticCustomError(REFUSED, "{fault}", {"fault": each}), input=None)
            for each in found
        ]
        raise ValidationError.from_exception_data("config", told)
