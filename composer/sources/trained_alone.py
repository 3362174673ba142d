"""Checkpoints that hold what was trained alone: they name the sources that the run began with, where the rest lies."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from composer.language.declared_weights import KEYS, DeclaredWeights
from composer.plugin import Registry
from composer.sources.located import Located
from composer.sources.weights_error import WeightsError

__all__ = ["BeganWith", "bases_of", "metadata_of"]


@dataclass(frozen=True)
class BeganWith:
    """One source that a run began with, and the modules that it filled; a `whole` one may fill others too."""

    declared: DeclaredWeights
    modules: tuple[str, ...]
    whole: bool = False
    document: str | None = None
    """The shipped document whose weights they are."""


def metadata_of(
    sources: Iterable[tuple[BeganWith, Located]], left_out: Iterable[str], folder: Path
) -> dict[str, str]:
    """What a checkpoint in a folder says of itself that leaves out what is frozen of some modules."""
    told = [
        {
            "source": _told(began.declared, located, folder),
            "modules": list(began.modules),
            "whole": began.whole,
            **({"document": began.document} if began.document else {}),
        }
        for began, located in sources
    ]
    return {
        "holds": "what was trained; what is frozen lies in the sources that the run began with",
        "left_out": ", ".join(left_out),
        "began_with": json.dumps(told, sort_keys=True),
    }


def _told(declared: DeclaredWeights, located: Located, folder: Path) -> dict[str, str]:
    found = {key: getattr(declared, key) for key in KEYS}
    if declared.sort == "file":
        try:
            found["file"] = Path(os.path.relpath(located.path.resolve(), folder.resolve())).as_posix()
        except ValueError:  # another drive
            found["file"] = located.path.resolve().as_posix()
    found |= {"sha256": located.digest, "revision": located.commit or declared.revision}
    return {key: value for key, value in found.items() if value}


def bases_of(checkpoint: Path, metadata: Mapping[str, str], registry: Registry) -> Iterator[BeganWith]:
    """The sources that a checkpoint says by its metadata the rest lies in; none for one that holds everything.

    Raises WeightsError for one that is a file and not there, or that is told as nothing can be read.
    """
    told = metadata.get("began_with")
    if not told:
        return
    try:
        entries = [(_read(entry["source"]), entry) for entry in json.loads(told)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise WeightsError(
            f"{checkpoint}: what it says of the weights that it began with is damaged"
        ) from None
    for declared, entry in entries:
        document = entry.get("document")
        yield BeganWith(
            _found(declared, document, checkpoint, metadata, registry),
            tuple(map(str, entry.get("modules", ()))),
            bool(entry.get("whole")),
            document,
        )


def _read(source: Mapping[str, object]) -> DeclaredWeights:
    fields: dict[str, Any] = {key: str(source.get(key, "")) for key in KEYS}
    return DeclaredWeights(**fields)


def _found(
    declared: DeclaredWeights,
    document: str | None,
    above: Path,
    metadata: Mapping[str, str],
    registry: Registry,
) -> DeclaredWeights:
    """A source that is a file where it lies now: where it was, seen from the checkpoint above, or beside that."""
    if declared.sort != "file":
        return replace(declared, place=str(above))
    shipped = registry.documents.get(document or "")
    places = [above.parent / declared.file, above.parent / Path(declared.file).name]
    if shipped is not None and shipped.weights is not None:
        places.insert(0, shipped.weights)
    there = [Path(os.path.normpath(place)) for place in places if os.path.exists(place)]
    if not there:
        left_out = metadata.get("left_out", "")
        raise WeightsError(
            f"{above} holds what was trained alone: what is frozen of {left_out or 'its modules'} is as it was in "
            f"{declared.file}, which is not there; put it at {os.path.normpath(places[-2])}, or beside {above.name} as "
            f"{places[-1].name}"
        )
    found = next((place for place in there if _is_it(declared, place)), there[0])
    return replace(declared, file=str(found), place=str(above))


def _is_it(declared: DeclaredWeights, place: Path) -> bool:
    return not declared.sha256 or Located(declared, place).digest == declared.sha256
