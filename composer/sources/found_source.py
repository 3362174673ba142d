"""A source that was found, with those below it where its checkpoint holds what was trained alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from composer.plugin import Registry
from composer.problems import InputError
from composer.sources.checkpoint_files import checkpoint_file
from composer.sources.choosing import Chosen
from composer.sources.located import Located, locate
from composer.sources.safetensors_header import LENGTH_BYTES, looks_like_safetensors, read_header
from composer.sources.trained_alone import bases_of
from composer.sources.weights_error import WeightsError

__all__ = ["FoundSource", "find_source"]


@dataclass(frozen=True)
class FoundSource:
    """Where a source lies, and where the rest of its modules lies."""

    chosen: Chosen
    located: Located
    below: tuple[FoundSource, ...] = ()
    """What the checkpoint says that it was trained on; nothing of one that holds everything."""


def find_source(
    chosen: Chosen,
    registry: Registry,
    *,
    commit: str = "",
    local: bool = False,
    above: tuple[Path, ...] = (),
) -> FoundSource:
    """Find a source and all below it, and hold each against its digest before anything of it is read.

    `commit` and `local` are those of `locate`; with `local`, what the Hub's cache does not hold is not below either.
    `above` are the checkpoints that lead to it.

    Raises:
        InputError: a source is not there or cannot be fetched, has another digest, or names itself.
    """
    located = locate(chosen.declared, commit=commit, local=local)
    located.hold_digest()
    file = _safetensors(located.path)
    if file is None:
        return FoundSource(chosen, located)
    if file in above:
        raise WeightsError(f"{file} names itself as what it was trained on: name another checkpoint")
    below = []
    for began in bases_of(file, _metadata(file), registry):
        given = f"named by {file.name}"
        base = Chosen(began.declared, given, began.modules, began.whole, began.document)
        try:
            below.append(find_source(base, registry, local=local, above=(*above, file)))
        except InputError:
            if not (local and began.declared.hub):
                raise
    return FoundSource(chosen, located, tuple(below))


def _safetensors(path: Path) -> Path | None:
    """The safetensors file that a path means; None for all else, of which reading it says more."""
    try:
        file = checkpoint_file(path)
        if not file.is_file():
            return None
        with file.open("rb") as head:
            return file if looks_like_safetensors(head.read(LENGTH_BYTES + 1)) else None
    except (WeightsError, OSError, ValueError):
        return None


def _metadata(file: Path) -> Mapping[str, str]:
    try:
        return read_header(file).metadata
    except WeightsError:  # reading it says what is wrong
        return {}
