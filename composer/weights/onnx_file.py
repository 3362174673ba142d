"""Reading the weights of an ONNX file that torch exported, under the names that the modules gave them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composer.sources.weights_error import unreadable
from composer.weights.contents import Contents
from composer.weights.foreign_library import damaged, library_for

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["looks_like_onnx", "read_onnx"]

_FORMAT = "ONNX"
_FLOATS = ("FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE")
"""Number formats of weights; the whole numbers of a file are sizes and axes."""
_VERSION_FIELD = 0x08
"""How every ONNX file begins that is written in the order of its fields: the version of its format, a number."""


def looks_like_onnx(path: Path, head: bytes) -> bool:
    """The format has no signature: the name of the file and its first field tell it."""
    return path.suffix.lower() == ".onnx" and head[:1] == bytes([_VERSION_FIELD])


def read_onnx(path: Path) -> Contents:
    """The initializers and the tensors of Constant nodes; the file is read as a whole, and none of it is run.

    An exporter folds the transposition of a linear map into its weight, which then has a number for a name: it gets the
    name of the module whose product it is, and the shape that the module has.

    Raises:
        WeightsError: damaged, or with weights in other files.
    """
    library = library_for(path, "onnx", _FORMAT)
    try:
        model = library.load(path, load_external_data=False)
        graph = model.graph
        tensors = dict(_tensors(graph))
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from None
    except Exception as error:  # protobuf's own errors
        raise damaged(path, _FORMAT, error) from None
    outside = [name for name, tensor in tensors.items() if tensor.external_data]
    if outside:
        raise unreadable(
            path,
            f"its weights lie in other files (`{outside[0]}` and {len(outside) - 1} more)",
            "save it with the weights inside",
        )
    names = _names(graph, tensors)
    readers = {}
    for own, (key, transposed) in names.items():
        readers[key] = partial(_read, path, tensors[own], transposed)
    return Contents(readers, "onnx", {"producer": model.producer_name} if model.producer_name else {})


def _tensors(graph: Any) -> Iterator[tuple[str, Any]]:
    """The weights of a graph by the name that its nodes use, and no single numbers."""
    from onnx import TensorProto

    floats = {getattr(TensorProto, name) for name in _FLOATS}
    constants = [node for node in graph.node if node.op_type == "Constant"]
    values = [
        (node.output[0], field.t) for node in constants for field in node.attribute if field.name == "value"
    ]
    for name, tensor in [*((tensor.name, tensor) for tensor in graph.initializer), *values]:
        if tensor.data_type in floats and len(tensor.dims) > 0:
            yield name, tensor


def _names(graph: Any, tensors: Mapping[str, Any]) -> dict[str, tuple[str, bool]]:
    """Name in the file → key, and whether the tensor stands transposed."""
    products = {
        node.input[1]: node.name
        for node in graph.node
        if node.op_type == "MatMul" and len(node.input) == 2 and node.input[1] in tensors
    }
    found: dict[str, tuple[str, bool]] = {}
    taken = set(tensors)
    for own, tensor in tensors.items():
        module = ".".join(part for part in products.get(own, "").split("/")[:-1] if part)
        key = f"{module}.weight"
        if not _is_nameless(own) or not module or len(tensor.dims) != 2 or key in taken:
            found[own] = (own, False)
        else:
            taken.add(key)
            found[own] = (key, True)
    return found


def _is_nameless(own: str) -> bool:
    """Whether the exporter made the name: those of parameters have words between dots."""
    return "::" in own or own.startswith("/") or "." not in own


def _read(path: Path, tensor: Any, transposed: bool) -> Tensor:
    import numpy as np
    import torch
    from onnx.numpy_helper import to_array

    try:
        values = to_array(tensor)
        if transposed:
            values = values.T
        return torch.from_numpy(np.array(values, order="C"))
    except Exception as error:  # sizes that lie, a number format that torch has not
        raise damaged(path, _FORMAT, error) from None
