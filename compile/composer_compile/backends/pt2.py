"""Program files (`.pt2`, a zip that torch reads): held against what such a file may hold, before torch sees it."""

from __future__ import annotations

import io
import json
import zipfile

from composer_compile.artifact.container import unsafe_entry
from composer_compile.errors import ArtifactError

__all__ = ["check_archive", "check_package"]

UNREADABLE = (zipfile.BadZipFile, ValueError, RecursionError, NotImplementedError, EOFError, OSError)
"""What Python raises while it reads a zip or JSON that somebody made up."""


def check_archive(content: bytes | memoryview) -> None:
    """Raise ArtifactError for a program file that would unpickle anything, write outside a folder, or fill a memory."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = _safe_entries(archive, len(content))
            names = [entry.filename for entry in entries]
            configs = [name for name in names if name.endswith("_config.json")]
            listed = [json.loads(archive.read(name))["config"].values() for name in configs]
            samples = [entry.file_size for entry in entries if "/data/sample_inputs/" in entry.filename]
            pickled = any(each.get("use_pickle", True) for config in listed for each in config)
    except (*UNREADABLE, KeyError, TypeError, AttributeError):
        raise ArtifactError("a program file of the artifact is not a torch.export program") from None
    # A program of torch 2.7 and before has `version` at its root, and is pickled through and through.
    if pickled or any(samples) or "version" in names:
        raise ArtifactError("a program file of the artifact holds pickled objects, which are never loaded")


def check_package(content: bytes | memoryview) -> None:
    """Raise ArtifactError for a library file of inductor that would write outside a folder, or holds other programs."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = _safe_entries(archive, len(content))
    except UNREADABLE:
        raise ArtifactError("a program file of the artifact is not a library of inductor") from None
    # Exported programs beside the library would be loaded as well, and may be pickled.
    if any("/models/" in entry.filename or entry.filename == "version" for entry in entries):
        raise ArtifactError("a program file of the artifact holds more than a library of inductor")


def _safe_entries(archive: zipfile.ZipFile, size: int) -> list[zipfile.ZipInfo]:
    entries = archive.infolist()
    # Torch packs without compression: an entry that grows was made to fill a memory.
    grown = next((each for each in entries if each.compress_type != zipfile.ZIP_STORED), None)
    fault = unsafe_entry(entries, size) or (grown and f"the compressed entry {grown.filename!r}")
    if fault is not None:
        raise ArtifactError(f"a program file of the artifact holds {fault}, so it is not loaded")
    return entries
