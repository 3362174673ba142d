"""The backend `tensorrt`: which operations Torch-TensorRT turns into engines, told on any machine.

Works with torch-tensorrt and torch-tensorrt-rtx, which import under one name.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, fx

from composer_compile.errors import BackendError
from composer_compile.exporting import Variant
from composer_compile.seam import Compiled, LoadedProgram, Support
from composer_compile.specs import StageSpec
from composer_compile.weights import WeightStore

__all__ = ["TensorRTBackend"]

PLANS_ONLY = (
    "the backend tensorrt plans engines (--plan) and does not build them: "
    "compile with --backend export or inductor"
)
PLANNED_CAPABILITY = (8, 6)
"""Answered to the library where there is no GPU; no converter's support depends on it."""


class TensorRTBackend:
    """Plans only: every operation is asked for at the library's own converters, after its own decompositions."""

    per_module = True

    def check_installed(self) -> None:
        if importlib.util.find_spec("torch_tensorrt") is None:
            raise BackendError(
                "the backend tensorrt needs Torch-TensorRT, which is not installed: "
                'pip install "multimodal-composer[tensorrt-rtx]" (or [tensorrt], from NVIDIA\'s index)'
            )

    def made_with(self, device: torch.device) -> dict[str, str]:
        raise BackendError(PLANS_ONLY)

    def mismatch(self, made_with: Mapping[str, str], device: torch.device) -> str | None:
        return PLANS_ONLY

    def compile(self, spec: StageSpec, variant: Variant, store: WeightStore) -> Compiled:
        raise BackendError(PLANS_ONLY)

    def load(
        self,
        file: Callable[[], Path],
        content: memoryview,
        weights: Sequence[Tensor | None],
        device: torch.device,
    ) -> LoadedProgram:
        raise BackendError(PLANS_ONLY)

    def decompositions(self) -> Mapping[Any, Callable[..., Any]]:
        with _library():
            from torch_tensorrt.dynamo.lowering import get_decompositions

            # Attention is one operation to the library, which has a converter for it. A trace takes it apart, and the
            # guarded softmax in its middle would then look like a fallback that the library never meets.
            return {**get_decompositions(), torch.ops.aten._safe_softmax.default: torch.softmax}

    def support(self, graph: fx.GraphModule) -> Mapping[fx.Node, Support]:
        with _library():
            from torch_tensorrt.dynamo.conversion import DYNAMO_CONVERTERS
            from torch_tensorrt.dynamo.partitioning._global_partitioner import TorchTensorRTOperatorSupport

            judge = TorchTensorRTOperatorSupport(torch_executed_ops=set())
            modules = dict(graph.named_modules())
            found = {}
            for node in graph.graph.nodes:
                if node.op != "call_function":
                    continue
                if not isinstance(node.target, torch._ops.OpOverload) or judge.is_node_supported(
                    modules, node
                ):
                    found[node] = Support(supported=True)
                elif node.target in DYNAMO_CONVERTERS.keys():  # noqa: SIM118 (`in` asks for the node's arguments)
                    found[node] = Support(
                        supported=False, reason="its converter does not take these arguments"
                    )
                else:
                    found[node] = Support(supported=False, reason="TensorRT has no converter for it")
            return found


@contextlib.contextmanager
def _library() -> Iterator[None]:
    """Import and ask Torch-TensorRT, also where there is no GPU.

    Seen with torch-tensorrt-rtx 2.14.0: on import it asks torch for the current device and its capability, which fails
    without a driver; both are answered while it is used here, and nothing is run on the device.
    """
    with contextlib.ExitStack() as stack:
        if not torch.cuda.is_available():
            stack.enter_context(
                mock.patch.object(torch.cuda, "get_device_capability", return_value=PLANNED_CAPABILITY)
            )
            stack.enter_context(mock.patch.object(torch.cuda, "current_device", return_value=0))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        before = logging.root.manager.disable
        logging.disable(logging.ERROR)
        stack.callback(logging.disable, before)
        try:
            import torch_tensorrt  # noqa: F401
        except Exception as error:  # the library raises plain exceptions where its own parts are missing
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise BackendError(f"Torch-TensorRT is installed and cannot be imported: {reason}") from error
        yield
