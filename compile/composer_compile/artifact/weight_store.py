"""Weights of an artifact: every tensor once, under the hash of its content, in one safetensors file."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from composer.files import told_by_rust
from composer_compile.artifact.dtypes import SAFETENSORS
from composer_compile.artifact.manifest import Weight
from composer_compile.errors import ArtifactError

__all__ = ["WEIGHTS", "StoredWeights", "WeightStore", "content_key", "write_tensors"]

WEIGHTS = "weights.safetensors"
KEY_LETTERS = 32
_Identity = tuple[int, torch.dtype, tuple[int, ...], tuple[int, ...]]


class WeightStore:
    """Collects the tensors of all programs while an artifact is made."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        self._tensors: dict[str, Tensor] = {}
        self._keys: dict[_Identity, str] = {}
        self._names: dict[str, set[str]] = {}
        self._own: dict[_Identity, list[str]] = {}
        self._alive: list[Tensor] = []
        for name, module in modules.items():
            for label, tensor in [*module.named_parameters(), *module.named_buffers()]:
                self._own.setdefault(_identity(tensor), []).append(f"{name}.{label}")

    def key(self, tensor: Tensor, name: str) -> str:
        """Keep a tensor and say under which key; equal ones have one. `name` is used where no module owns it."""
        identity = _identity(tensor)
        if identity not in self._keys:
            key = content_key(tensor)
            self._keys[identity] = key
            # An address tells tensors apart only as long as none of them is freed.
            self._alive.append(tensor)
            self._tensors.setdefault(key, tensor.detach())
        key = self._keys[identity]
        self._names.setdefault(key, set()).update(self._own.get(identity, [name]))
        return key

    def tensor(self, key: str) -> Tensor:
        return self._tensors[key]

    def write(self, folder: Path) -> dict[str, Weight]:
        """Write the file; the entries of the manifest."""
        tensors = {key: self._tensors[key].cpu().contiguous() for key in sorted(self._tensors)}
        write_tensors(tensors, folder / WEIGHTS)
        return {
            key: Weight(
                dtype=str(tensor.dtype).removeprefix("torch."),
                shape=list(tensor.shape),
                names=sorted(self._names[key]),
            )
            for key, tensor in tensors.items()
        }


def write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a safetensors file. Raises OSError where that fails, which the library hides in an exception of its own."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(dict(tensors), path)
    except SafetensorError as error:
        told = told_by_rust(error)
        if told is None:
            raise
        raise OSError(told.errno, told.strerror, str(path)) from error


def _identity(tensor: Tensor) -> _Identity:
    # Empty tensors have no memory of their own; their content is their shape.
    address = tensor.data_ptr() if tensor.numel() else -1
    return (address, tensor.dtype, tuple(tensor.shape), tuple(tensor.stride()))


def content_key(tensor: Tensor) -> str:
    """The hash of number format, sizes and content."""
    flat = tensor.detach().cpu().contiguous().flatten()
    digest = hashlib.sha256(f"{tensor.dtype} {list(tensor.shape)} ".encode())
    if flat.numel():
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()[:KEY_LETTERS]


class StoredWeights:
    """The tensors of an artifact, mapped from its verified file; on the CPU they take no memory of their own."""

    def __init__(self, content: memoryview, device: torch.device, name: str) -> None:
        self._content = content
        self._device = device
        self._name = name
        self._made: dict[str, Tensor] = {}
        self._lock = threading.Lock()
        try:
            length = int.from_bytes(content[:8], "little")
            header = json.loads(bytes(content[8 : 8 + length]))
            self._entries = {key: entry for key, entry in header.items() if key != "__metadata__"}
            self._start = 8 + length
        except (ValueError, AttributeError, RecursionError):
            raise ArtifactError(f"{name}: {WEIGHTS} is not a safetensors file") from None

    def keys(self) -> tuple[str, ...]:
        return tuple(self._entries)

    def __getitem__(self, key: str) -> Tensor:
        """The tensor on the device; the same object for every program that asks. Raises ArtifactError if unknown."""
        with self._lock:
            if key not in self._made:
                self._made[key] = self._tensor(key).to(self._device)
            return self._made[key]

    def _tensor(self, key: str) -> Tensor:
        try:
            entry = self._entries[key]
            first, last = entry["data_offsets"]
            dtype, shape = SAFETENSORS[entry["dtype"]], tuple(entry["shape"])
        except (KeyError, TypeError, ValueError):
            raise ArtifactError(
                f"{self._name}: {WEIGHTS} lacks the tensor {key} that a program needs"
            ) from None
        try:
            if first == last:
                return torch.empty(shape, dtype=dtype)
            content = self._content[self._start + first : self._start + last]
            if (self._start + first) % dtype.itemsize:  # a zip made by another program may not be aligned
                content = memoryview(bytearray(content))
            return torch.frombuffer(content, dtype=dtype).view(shape)
        except (ValueError, TypeError, RuntimeError):
            raise ArtifactError(
                f"{self._name}: {WEIGHTS} holds less of the tensor {key} than it says"
            ) from None
