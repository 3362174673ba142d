"""Saving weights: native names, safetensors, all or nothing."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from composer.files import replace_file, told_by_rust
from composer.problems import InputError
from composer.problems.render.machine import json_bytes
from composer.sources.weights_error import WeightsError
from composer.weights.safetensors_file import METADATA_KEY
from composer.weights.slots import find_slots

__all__ = ["save_tensors", "save_weights"]


def save_weights(
    modules: Mapping[str, nn.Module],
    path: str | PathLike[str],
    metadata: Mapping[str, str] | None = None,
    *,
    leave_out: Container[str] = (),
) -> None:
    """Write every parameter and persistent buffer under `<module>.<parameter>`, tied ones once.

    The file appears complete or not at all, and equal weights and metadata give equal bytes. What `leave_out` names is
    not written.

    Raises:
        WeightsError: the file cannot be written, or a module has no values (meta device). A file that was there stays.
    """
    target = Path(path)
    tensors = {
        name: slot.tensor.detach() for name, slot in find_slots(modules).unique() if name not in leave_out
    }
    empty = [name for name, tensor in tensors.items() if tensor.is_meta]
    if empty:
        raise WeightsError(f"cannot save {target}: {empty[0]} has no values (it stands on the meta device)")
    # Transposed and expanded weights are written as they read, from any device; tied ones were told apart above.
    tensors = {name: tensors[name].cpu().contiguous() for name in sorted(tensors)}
    told = json_bytes(json.dumps(dict(metadata or {}), sort_keys=True, ensure_ascii=False)).decode()
    own = {METADATA_KEY: told} if metadata else None
    save_tensors(tensors, target, own)


def save_tensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write tensors under their names. Raises WeightsError where the file cannot be written."""
    try:
        replace_file(path, lambda file: _fill(file, tensors, metadata))
    except InputError as error:
        raise WeightsError(str(error)) from None


def _fill(file: BinaryIO, tensors: dict[str, Tensor], metadata: dict[str, str] | None) -> None:
    try:
        save_file(tensors, file.name, metadata=metadata)
    except SafetensorError as error:
        raise told_by_rust(error) or OSError(0, str(error)) from error
