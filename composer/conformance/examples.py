"""The configs with which an entry is tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from pydantic import ValidationError

from composer.conformance.report import Failure
from composer.plugin.declarations import Config

__all__ = ["example_configs"]


class _Entry(Protocol):
    @property
    def config(self) -> type[Config]: ...

    @property
    def examples(self) -> Sequence[Mapping[str, object]]: ...


def example_configs(entry: _Entry) -> Iterator[Config]:
    """The configs of an entry's `examples`, or its defaults where it has none. Raises Failure for one it refuses."""
    for example in entry.examples or ({},):
        try:
            yield entry.config.model_validate(example)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(map(str, fault["loc"])) or "its options"
            cure = "" if entry.examples else f": give the {type(entry).__name__} `examples`"
            raise Failure(f"its example {dict(example)} is refused ({where}: {fault['msg']}){cure}") from None
