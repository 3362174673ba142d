"""Saving weights: native names, safetensors, all or nothing."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from composer.weights.errors import WeightsError
from composer.weights.safetensors_file import METADATA_KEY
from composer.weights.slots import find_slots

__all__ = ["save_weights"]


def save_weights(
    modules: Mapping[str, nn.Module], path: str | PathLike[str], metadata: Mapping[str, str] | None = None
) -> None:
    """Write every parameter and persistent buffer under `<module>.<parameter>`, tied ones once.

    The file appears complete or not at all, and equal weights and metadata give equal bytes.

    Raises:
        WeightsError: the file cannot be written, or a module has no values (meta device). A file that was there stays.
    """
    target = Path(path)
    tensors = {name: slot.tensor.detach() for name, slot in find_slots(modules).unique()}
    empty = [name for name, tensor in tensors.items() if tensor.is_meta]
    if empty:
        raise WeightsError(f"cannot save {target}: {empty[0]} has no values (it stands on the meta device)")
    # Transposed and expanded weights are written as they read; tied ones were told apart above.
    tensors = {name: tensors[name].contiguous() for name in sorted(tensors)}
    own = {METADATA_KEY: json.dumps(dict(metadata), sort_keys=True, ensure_ascii=False)} if metadata else None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    except OSError as error:
        raise WeightsError(f"cannot save {target}: {error.strerror or error}") from None
    os.close(descriptor)
    try:
        save_file(tensors, temporary, metadata=own)
        _make_lasting(temporary)
        os.replace(temporary, target)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"cannot save {target}: {error}; what was there before is unchanged") from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def _make_lasting(file: str) -> None:
    """Reach the disk before the name does, with the permissions of any new file (mkstemp's are private)."""
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(file, 0o666 & ~mask)
    with open(file, "rb") as written:
        os.fsync(written.fileno())
