"""What every declaration has, and the base of every config model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

__all__ = [
    "REFUSED",
    "Config",
    "Declaration",
    "NoConfig",
    "OfConfig",
    "config_of_json",
    "config_text",
    "refuse_all",
]

_T = TypeVar("_T")
OfModel = TypeVar("OfModel", bound="Config")
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


def config_of_json(model: type[OfModel], text: str, context: Mapping[str, Any] | None = None) -> OfModel:
    """A config from JSON, whose lists, texts and numbers are those of a document. Raises pydantic's ValidationError."""
    given = None if context is None else dict(context)
    try:
        return model.model_validate_json(text, context=given)
    except ValidationError as error:
        if error.errors(include_url=False)[0]["type"] != "json_invalid":
            raise
        # pydantic reads UTF-8, and the bytes of a folder's name need not be that; strict, it would want tuples here.
        return model.model_validate(json.loads(text), strict=False, context=given)


def config_text(config: BaseModel, **options: Any) -> str:
    """A config as JSON, equal for equal ones: what keys and digests are made of. `options` are those of pydantic.

    Raises pydantic's PydanticSerializationError for what JSON cannot hold, where no `fallback` turns it into another.
    """
    from pydantic_core import PydanticSerializationError

    try:
        return config.model_dump_json(**options)
    except PydanticSerializationError:
        # pydantic writes UTF-8, and the bytes of a folder's name need not be that; JSON has escapes for them.
        return json.dumps(config.model_dump(mode="json", **options))


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
