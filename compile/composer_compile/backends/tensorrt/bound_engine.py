"""An engine in an execution context of its own: weights are bound once, a call binds what a request brings.

The library's own module binds every input at every call, which is nothing for three and much for hundreds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from composer.execution.captured import capturing
from composer_compile.backends.tensorrt.program_file import EngineStep
from composer_compile.errors import ArtifactError

__all__ = ["BoundEngine", "ReadEngine"]

MOST_SIZES = 4
"""Sizes that stay captured of one engine; each has a context of its own in memory."""
_Sizes = tuple[tuple[int, ...], ...]


class ReadEngine:
    """An engine, read from its bytes: nothing is bound yet, and no context takes memory. `trt` is TensorRT's module."""

    def __init__(self, step: EngineStep, content: bytes, trt: Any) -> None:
        self.step = step
        self.logger = trt.Logger(trt.Logger.ERROR)
        self.runtime = trt.Runtime(self.logger)  # must live as long as what it reads
        self.engine = self.runtime.deserialize_cuda_engine(content)
        if self.engine is None:
            raise ArtifactError(f"{step.engine} of a TensorRT program cannot be loaded on this GPU")
        types = _number_formats(trt)
        self.dtypes = {
            each.name: types[self.engine.get_tensor_dtype(each.name)]
            for each in (*step.inputs, *step.outputs)
        }

    @property
    def reads_sizes(self) -> bool:
        """Whether a size is one of its inputs: it is read on the host."""
        return any(self.engine.is_shape_inference_io(each.name) for each in self.step.inputs)


class BoundEngine:
    """Callable with the tensors of a request in the order of the step's inputs, without those that are fixed.

    `stream` gives the handle of the stream to run on. Not thread-safe: a context has one state. `graphs` captures the
    work for the sizes of a call, and replays it where they come again. Where a whole turn of a search is captured, its
    work becomes part of that. Each graph has a context of its own, for what it holds is that of the context.
    """

    def __init__(
        self,
        read: ReadEngine,
        fixed: Mapping[str, Tensor],
        device: torch.device,
        *,
        stream: Callable[[], int],
        graphs: bool = False,
    ) -> None:
        self.device = device
        self.stream = stream
        self.graphs = graphs
        self.read = read
        step = read.step
        self.name = step.engine
        self.inputs = [each.name for each in step.inputs if each.name not in fixed]
        self.outputs = [each.name for each in step.outputs]
        self.fixed = {name: self._fitting(name, tensor) for name, tensor in fixed.items()}
        self._free: list[_Context] = [_Context(self)]
        """Contexts of no graph."""
        self._captured: OrderedDict[_Sizes, _Captured] = OrderedDict()

    def __call__(self, *tensors: Tensor) -> list[Tensor]:
        given = [self._fitting(name, tensor) for name, tensor in zip(self.inputs, tensors, strict=True)]
        whole = capturing()
        if whole is not None:
            context = whole.get(self)
            if not isinstance(context, _Context):
                context = whole[self] = _Context(self)
            return context.run(given)
        if not self.graphs:
            return self._free[0].run(given)
        sizes = tuple(tuple(tensor.shape) for tensor in given)
        if sizes not in self._captured:
            self._captured[sizes] = _Captured(given, self._context())
        self._captured.move_to_end(sizes)
        return self._captured[sizes].replay(given)

    def _context(self) -> _Context:
        """A context for another graph: that of the graph used longest ago, where there are many or memory is short."""
        if self._free:
            return self._free.pop()
        if len(self._captured) < MOST_SIZES:
            try:
                return _Context(self)
            except ArtifactError:
                if not self._captured:
                    raise
        return self._captured.popitem(last=False)[1].context

    def _fitting(self, name: str, tensor: Tensor) -> Tensor:
        """What an engine reads: contiguous, in the number format and on the device that it was built for."""
        return tensor.to(self.device, self.read.dtypes[name]).contiguous()


class _Context:
    """An execution context of an engine, with what is fixed bound to it."""

    def __init__(self, engine: BoundEngine) -> None:
        self.engine = engine
        self.made = engine.read.engine.create_execution_context()
        if self.made is None:
            raise ArtifactError(
                f"{engine.name} of a TensorRT program cannot be used: this GPU has not enough memory for it"
            )
        for name, tensor in engine.fixed.items():
            self._bind(name, tensor)

    def run(self, given: Sequence[Tensor]) -> list[Tensor]:
        engine = self.engine
        for name, tensor in zip(engine.inputs, given, strict=True):
            if not self.made.set_input_shape(name, tuple(tensor.shape)):
                raise ArtifactError(
                    f"{engine.name} of a TensorRT program was not built for {name} of {list(tensor.shape)}"
                )
            self._bind(name, tensor)
        results = []
        for name in engine.outputs:
            shape = tuple(self.made.get_tensor_shape(name))
            results.append(torch.empty(shape, dtype=engine.read.dtypes[name], device=engine.device))
            self._bind(name, results[-1])
        if not self.made.execute_async_v3(engine.stream()):
            raise ArtifactError(f"{engine.name} of a TensorRT program could not be run")
        return results

    def _bind(self, name: str, tensor: Tensor) -> None:
        if not self.made.set_tensor_address(name, tensor.data_ptr()):
            raise ArtifactError(f"{self.engine.name} of a TensorRT program has no tensor {name}")


class _Captured:
    """The work of one call as a CUDA graph, on tensors that stay where they are."""

    def __init__(self, given: Sequence[Tensor], context: _Context) -> None:
        self.context = context
        self.given = [tensor.clone() for tensor in given]
        context.run(self.given)  # what is only done the first time cannot be captured
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        # Other threads may use the GPU meanwhile; in the usual mode either they or the capture would fail.
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            self.results = context.run(self.given)

    def replay(self, given: Sequence[Tensor]) -> list[Tensor]:
        for place, tensor in zip(self.given, given, strict=True):
            place.copy_(tensor)
        self.graph.replay()
        return [each.clone() for each in self.results]


def _number_formats(trt: Any) -> dict[Any, torch.dtype]:
    names = {
        "FLOAT": torch.float32,
        "HALF": torch.float16,
        "BF16": torch.bfloat16,
        "INT64": torch.int64,
        "INT32": torch.int32,
        "UINT8": torch.uint8,
        "INT8": torch.int8,
        "BOOL": torch.bool,
    }
    return {
        getattr(trt.DataType, name): dtype for name, dtype in names.items() if hasattr(trt.DataType, name)
    }
