"""The file of a lock: versions of the language and of plugins, and the digest of every weight file of a document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from composer.files import replace_file
from composer.graph import Report
from composer.language import Source
from composer.plugin import Registry
from composer.problems import InputError
from composer.problems.render.machine import json_bytes

__all__ = ["SUFFIX", "Document", "Lock", "LockedWeights", "lock_place", "read_lock", "write_lock"]

Document = Union[str, Path, Source, Report]
SUFFIX = ".lock"


class _LockShape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LockedWeights(_LockShape):
    """One source, with the modules that it fills. A source `fresh` has no files."""

    modules: list[str]
    source: str
    layout: str = ""
    root: str = ""
    prefix: str = ""
    commit: str = Field(default="", pattern="^([0-9a-f]{40})?$")
    """What the revision of a Hub repository stood for."""
    files: dict[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] = Field(default_factory=dict)
    """SHA-256 of every file, by its name."""
    trained_on: list[LockedWeights] = Field(default_factory=list)
    """Where the rest lies, of a checkpoint that holds what was trained alone."""

    @property
    def count(self) -> int:
        """How many files it holds, with those that it was trained on."""
        return len(self.files) + sum(each.count for each in self.trained_on)

    def reading(self) -> tuple[str, str, str]:
        """How the files are read."""
        return self.layout, self.root, self.prefix


class Lock(_LockShape):
    """The content of a lock."""

    composer_lock: Literal[1] = 1
    """Version of this format."""
    document: str
    """Name of the document."""
    language: int
    """Version of the language."""
    plugins: dict[str, str]
    """Plugins that the document uses, to the package that brings each, with its version."""
    weights: list[LockedWeights]

    def of(self, module: str) -> LockedWeights | None:
        return next((each for each in self.weights if module in each.modules), None)


def lock_place(document: Document, registry: Registry) -> Path:
    """Where the lock of a document lies: beside its file; of a document that a plugin ships, in the current folder."""
    if isinstance(document, Report):
        resolved = document.document
        path = resolved.path if resolved is not None else None
        shipped = any(path == entry.path for entry in registry.documents.values())
        return Path(f"{document.name if path is None or shipped else path}{SUFFIX}")
    if isinstance(document, Source):
        return Path(f"{document.path or document.name}{SUFFIX}")
    name = str(document)
    return Path(f"{name.replace('/', '-') if name in registry.documents else name}{SUFFIX}")


def write_lock(lock: Lock, path: Path) -> None:
    """Write a lock, whole or not at all; equal locks give equal bytes. Raises InputError where that cannot be done."""
    data = lock.model_dump(mode="json")
    data["weights"] = [_without_empty(each) for each in data["weights"]]
    text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    replace_file(path, lambda file: file.write(json_bytes(text)))


def _without_empty(entry: Mapping[str, Any]) -> dict[str, Any]:
    bases = [_without_empty(each) for each in entry["trained_on"]]
    return {key: value for key, value in {**entry, "trained_on": bases}.items() if value}


def read_lock(path: Path) -> Lock:
    """Read a lock. Raises InputError where there is none, or it is not one."""
    document = path.name.removesuffix(SUFFIX)
    again = f"`composer lock {document}` writes it"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"--locked: there is no {path}; {again}") from None
    except UnicodeDecodeError:
        raise InputError(f"--locked: {path} is not a lock (it is not UTF-8); {again} anew") from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"--locked: {path} cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None
    try:
        value = json.loads(text)
        if (
            isinstance(value, Mapping)
            and isinstance(value.get("composer_lock"), int)
            and value["composer_lock"] > 1
        ):
            raise InputError(
                f"--locked: {path} has version {value['composer_lock']} of the format, and this composer reads 1: "
                "upgrade multimodal-composer"
            )
        return Lock.model_validate(value)
    except (json.JSONDecodeError, RecursionError):
        raise InputError(f"--locked: {path} is not a lock (it does not hold JSON); {again} anew") from None
    except ValidationError as error:
        if not isinstance(value, Mapping):
            raise InputError(f"--locked: {path} is not a lock (it is not a map); {again} anew") from None
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"--locked: {path} has a fault at {where}: {first['msg']}; {again} anew") from None
