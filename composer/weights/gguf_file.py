"""Reading a GGUF file of llama.cpp: its tensors as PyTorch has them, each made of its blocks when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composer.sources.weights_error import unreadable
from composer.weights.contents import Contents
from composer.weights.foreign_library import damaged, library_for

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["GGUF_MAGIC", "open_gguf", "read_gguf"]

GGUF_MAGIC = b"GGUF"
_FORMAT = "GGUF"
_FAMILIES = {"llama": True, "qwen2": False, "qwen3": False}
"""Architectures whose tensors are told here → whether llama.cpp changed the order of the rows of queries and keys."""


def open_gguf(path: Path) -> Any:
    """What the library `gguf` makes of a file: its fields and, mapped, its tensors. Raises WeightsError."""
    library = library_for(path, "gguf", _FORMAT)
    try:
        return library.GGUFReader(path)
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from None
    except Exception as error:  # counts and offsets of a damaged file may make the reader fail anywhere
        raise damaged(path, _FORMAT, error) from None


def read_gguf(path: Path) -> Contents:
    """Map the file; a quantised tensor becomes float32 when it is read, and float16 stays as it is.

    Raises:
        WeightsError: damaged, or of an architecture whose weights llama.cpp changes in a way that is not known here.
    """
    file = open_gguf(path)
    fields = {name: field for name, field in file.fields.items() if len(field.data) <= 1}
    family = _text(fields, "general.architecture")
    if family not in _FAMILIES:
        raise unreadable(
            path,
            f"its architecture is `{family or 'not told'}`, and what llama.cpp changes in the weights of one is known "
            f"here for {', '.join(f'`{name}`' for name in _FAMILIES)} alone",
            "load the published safetensors of that model",
        )
    heads = _heads(path, fields, family) if _FAMILIES[family] else {}
    readers = {tensor.name: _reader(path, tensor, heads) for tensor in file.tensors}
    metadata = {"architecture": family, "name": _text(fields, "general.name")}
    return Contents(readers, "gguf", {name: text for name, text in metadata.items() if text})


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields[name].contents() if name in fields else ""
    return value if isinstance(value, str) else ""


def _heads(path: Path, fields: Mapping[str, Any], family: str) -> dict[str, int]:
    """The kinds of tensors whose rows llama.cpp orders otherwise, with their number of heads."""
    found: dict[str, int] = {}
    for kind, field in (("attn_q", "head_count"), ("attn_k", "head_count_kv")):
        name = f"{family}.attention.{field}"
        value = fields[name].contents() if name in fields else found.get("attn_q")
        if not isinstance(value, int) or value < 1:
            raise unreadable(path, f"its field `{name}` is not a number of heads", "fetch or copy it again")
        found[kind] = value
    return found


def _reader(path: Path, tensor: Any, heads: Mapping[str, int]) -> Callable[[], Tensor]:
    words = tensor.name.split(".")
    return partial(_read, path, tensor, heads.get(words[-2], 0) if len(words) > 1 else 0)


def _read(path: Path, tensor: Any, heads: int) -> Tensor:
    import numpy as np
    import torch
    from gguf.quants import dequantize

    half = tensor.data.dtype == np.float16
    try:
        values = np.array(tensor.data) if half else dequantize(tensor.data, tensor.tensor_type)
        # the file counts axes from the last one
        values = values.reshape(tuple(int(size) for size in reversed(tensor.shape)))
        if heads:
            values = _halves_apart(values, heads)
    except Exception as error:
        raise damaged(path, _FORMAT, error) from None
    return torch.from_numpy(np.require(values, requirements=("C", "W")))


def _halves_apart(values: Any, heads: int) -> Any:
    """Rows [heads, pairs, 2] → [heads, 2, pairs]: llama.cpp rotates neighbours, transformers halves of a head."""
    rows = values.reshape(heads, values.shape[0] // heads // 2, 2, *values.shape[1:])
    return rows.swapaxes(1, 2).reshape(values.shape)
