"""Loading programs of the backend `export`: torch.export programs, run by torch's own kernels on any device."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor, fx

from composer.execution.linear import linear, onednn_is_faster
from composer.language import collector_paused
from composer_compile.artifact.operations import unknown_operation, unregistered
from composer_compile.backends.contract import LoadedProgram
from composer_compile.backends.direct_calls import call_directly, without_idle_calls
from composer_compile.backends.pt2 import check_archive
from composer_compile.backends.short_form import read_short_form
from composer_compile.patches import torch_alone

__all__ = ["ExportLoader", "check_program", "loaded_program"]


class ExportLoader:
    """Loading puts the shared weights into the graph of a program."""

    capturable = True
    captures_itself = False

    def check_installed(self) -> None:
        """torch is all it takes."""

    def mismatch(self, made_with: Mapping[str, str], device: torch.device) -> str | None:
        made, here = made_with.get("torch", ""), torch.__version__
        if _minor(here) < _minor(made):
            return f"its programs need torch {made} or later and this is torch {here}"
        return None

    def load(
        self,
        file: Callable[[], Path],
        content: memoryview,
        weights: Sequence[Tensor | None],
        device: torch.device,
    ) -> LoadedProgram:
        return loaded_program(bytes(content), weights, device)

    def check_stored(self, content: memoryview) -> None:
        check_program(bytes(content))


def loaded_program(content: bytes, weights: Sequence[Tensor | None], device: torch.device) -> LoadedProgram:
    """The program of a file that `packed_program` gave, with its weights in place. Raises ArtifactError."""
    check_archive(content)
    short = read_short_form(content)
    with torch_alone(), collector_paused():
        if short is not None:
            graph, held = short.graph(weights, device)
            module = fx.GraphModule(held, _as_eager_code(graph, device))
        else:
            module = _read_by_torch(content, weights, device)
            _as_eager_code(module.graph, device)
            module.recompile()
        return _without_graph(module)


def check_program(content: bytes) -> None:
    """Raise ArtifactError where the two forms of a program in one file are not the same program."""
    check_archive(content)
    if read_short_form(content) is not None:
        from composer_compile.backends.short_form_writing import check_short_form

        check_short_form(content)


def _read_by_torch(content: bytes, weights: Sequence[Tensor | None], device: torch.device) -> fx.GraphModule:
    unknown = unknown_operation(io.BytesIO(content))
    if unknown is not None:
        raise unregistered(unknown)
    from composer_compile.backends.torch_reader import module_of, read_by_torch

    return module_of(read_by_torch(content, device), weights)


def _as_eager_code(graph: fx.Graph, device: torch.device) -> fx.Graph:
    """The same calls with no more work on the host than those of the live model.

    Linear maps are as it has them, too: by the fastest library of this processor.
    """
    if device.type == "cpu" and onednn_is_faster():
        for node in graph.find_nodes(op="call_function", target=torch.ops.aten.linear.default):
            node.target = linear
    without_idle_calls(graph)
    call_directly(graph)
    graph.lint()
    return graph


def _without_graph(module: fx.GraphModule) -> LoadedProgram:
    """The generated function and what it reads: the graph that it was made from is large, and nothing needs it now.

    What it reads lies in a plain object: a module of torch would look for each weight in its tables at every call.
    """
    held = SimpleNamespace(**dict(module.named_children()), **dict(module._buffers))
    forward = type(module).forward

    def run(*tensors: Tensor) -> Sequence[Tensor]:
        result: Sequence[Tensor] = forward(held, *tensors)
        return result

    return run


def _minor(version: str) -> tuple[int, int]:
    parts = version.split("+", maxsplit=1)[0].split(".")
    try:
        return int(parts[0]), int(parts[1])
    except (ValueError, IndexError):
        return (0, 0)
