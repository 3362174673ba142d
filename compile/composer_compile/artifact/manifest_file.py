"""`manifest.json` as a file: written and read with its digest, so that damage is seen. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import ValidationError

from composer.problems.render.machine import json_bytes
from composer_compile.artifact.manifest import FORMAT, VERSION, Manifest
from composer_compile.artifact.manifest_faults import manifest_faults
from composer_compile.errors import ArtifactError

__all__ = ["REBUILD", "manifest_schema", "read_manifest", "write_manifest"]

REBUILD = "copy it again, or rebuild it with `composer compile`"


def write_manifest(manifest: Manifest) -> bytes:
    """The file's content, with its digest; equal manifests give equal bytes."""
    data = manifest.model_dump(mode="json", exclude={"digest"})
    return _dumped({**data, "digest": _digest(data)})


def read_manifest(content: bytes, name: str) -> Manifest:
    """Read and verify. `name` is what errors call the artifact.

    Raises:
        ArtifactError: it is not a manifest, of a later version, or damaged.
    """
    try:
        data = json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise ArtifactError(f"{name} has a damaged manifest.json (no JSON): {REBUILD}") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ArtifactError(
            f"{name} is not an artifact: its manifest.json was not written by `composer compile`"
        )
    if data.get("version") != VERSION:
        raise ArtifactError(
            f"{name} has version {data.get('version')!r} of the artifact format and this composer reads {VERSION}: "
            f"{REBUILD}, or install the composer that made it"
        )
    digest = _digest({key: value for key, value in data.items() if key != "digest"})
    if digest != data.get("digest") or _dumped(data) != content:
        raise ArtifactError(f"{name} has a damaged manifest.json (its digest differs): {REBUILD}")
    try:
        manifest = Manifest.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ArtifactError(f"{name} has a manifest.json with a fault at {where}: {first['msg']}") from None
    fault = next(manifest_faults(manifest), None)
    if fault is not None:
        raise ArtifactError(f"{name} has a manifest.json with a fault at {fault}: {REBUILD}")
    return manifest


def manifest_schema() -> dict[str, Any]:
    """The JSON Schema of `manifest.json`."""
    return Manifest.model_json_schema()


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _digest(data: dict[str, Any]) -> str:
    return hashlib.sha256(_dumped(data)).hexdigest()


def _dumped(data: dict[str, Any]) -> bytes:
    return json_bytes(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
