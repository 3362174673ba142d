"""An engine in its own context, with a double in the place of TensorRT: weights are bound once, requests every time."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from composer_compile.backends.tensorrt import engine_run
from composer_compile.backends.tensorrt.bound_engine import BoundEngine, ReadEngine
from composer_compile.backends.tensorrt.program_file import Binding, EngineStep
from composer_compile.errors import ArtifactError
from engines import CPU
from torch import Tensor

MOST_ROWS = 4


class Context:
    """Computes `x @ weight` on the memory that it was given addresses of."""

    def __init__(self) -> None:
        self.addresses: dict[str, int] = {}
        self.shapes: dict[str, tuple[int, ...]] = {"weight": (3, 2)}
        self.bound: list[str] = []
        self.sized = 0
        self.streams: list[int] = []

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.sized += 1
        self.shapes[name] = shape
        return shape[0] <= MOST_ROWS

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.bound.append(name)
        self.addresses[name] = address
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (self.shapes["x"][0], 2)

    def _at(self, name: str, shape: tuple[int, ...]) -> Tensor:
        size = 4 * shape[0] * shape[1]
        memory = (ctypes.c_char * size).from_address(self.addresses[name])
        return torch.frombuffer(memory, dtype=torch.float32).view(shape)

    def execute_async_v3(self, stream: int) -> bool:
        self.streams.append(stream)
        x, weight = self._at("x", self.shapes["x"]), self._at("weight", self.shapes["weight"])
        self._at("y", self.get_tensor_shape("y")).copy_(x @ weight)
        return True


def tensorrt(context: Context | None, engine: bool = True, sizes: Sequence[str] = ()) -> Any:
    made = SimpleNamespace(
        create_execution_context=lambda: context,
        get_tensor_dtype=lambda name: "float",
        is_shape_inference_io=lambda name: name in sizes,
    )
    runtime = SimpleNamespace(deserialize_cuda_engine=lambda content: made if engine else None)
    logger = type("Logger", (), {"ERROR": 1, "__init__": lambda self, level: None})
    return SimpleNamespace(
        Logger=logger, Runtime=lambda logger: runtime, DataType=SimpleNamespace(FLOAT="float")
    )


def step() -> EngineStep:
    def binding(name: str) -> Binding:
        return Binding(name=name, value=name, dtype="float32", smallest=None, best=None, largest=None)

    return EngineStep(
        engine="engines/0.engine",
        sha256="",
        inputs=[binding("weight"), binding("x")],
        outputs=[binding("y")],
        output_allocator=False,
    )


def bound(context: Context, weight: Tensor, **options: Any) -> BoundEngine:
    read = ReadEngine(step(), b"it", tensorrt(context))
    return BoundEngine(read, {"weight": weight}, CPU, stream=lambda: 7, **options)


def test_weights_are_bound_once_and_requests_every_time() -> None:
    context, weight = Context(), torch.randn(3, 2)
    engine = bound(context, weight)
    for rows in (1, 4, 2):
        x = torch.randn(3, rows).t()  # not contiguous
        (y,) = engine(x)
        torch.testing.assert_close(y, x @ weight)
    assert context.bound.count("weight") == 1
    assert (context.bound.count("x"), context.bound.count("y")) == (3, 3)
    assert context.addresses["weight"] == weight.data_ptr()  # no copy
    assert context.streams == [7, 7, 7]


def test_weights_in_another_layout_or_number_format_are_read_rightly() -> None:
    weight = torch.randn(2, 3, dtype=torch.float64).t()
    x = torch.randn(2, 3, dtype=torch.float64)
    (y,) = bound(Context(), weight)(x)
    torch.testing.assert_close(y, (x @ weight).float())


def test_results_of_two_calls_are_two() -> None:
    engine, x = bound(Context(), torch.eye(3)[:, :2].contiguous()), torch.ones(1, 3)
    (first,), (second,) = engine(x), engine(2 * x)
    assert (first.tolist(), second.tolist()) == ([[1.0, 1.0]], [[2.0, 2.0]])


def test_a_size_that_the_engine_was_not_built_for() -> None:
    with pytest.raises(ArtifactError, match=r"engines/0.engine .* not built for x of \[5, 3\]"):
        bound(Context(), torch.randn(3, 2))(torch.randn(5, 3))


def test_an_engine_that_cannot_be_loaded_or_has_no_room() -> None:
    for double, message in ((tensorrt(None, engine=False), "cannot be loaded"), (tensorrt(None), "memory")):
        with pytest.raises(ArtifactError, match=message):
            BoundEngine(ReadEngine(step(), b"it", double), {}, CPU, stream=lambda: 0)


def test_graphs_are_captured_once_per_size_and_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    context, weight = Context(), torch.randn(3, 2)
    captured: list[Any] = []
    modes: list[str] = []

    def capture(graph: Any, *, capture_error_mode: str) -> contextlib.AbstractContextManager[None]:
        modes.append(capture_error_mode)
        return contextlib.nullcontext()

    class Graph:
        def __init__(self) -> None:
            captured.append(self)

        def replay(self) -> None:
            context.execute_async_v3(7)

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    engine = bound(context, weight, graphs=True)
    kept = []
    for rows in (2, 2, 2, 3, 3):
        x = torch.randn(rows, 3)
        kept.append((engine(x)[0], x @ weight))
    for ours, theirs in kept:  # a replay writes into no result that was given out
        torch.testing.assert_close(ours, theirs)
    assert len(captured) == 2
    assert modes == ["thread_local"] * 2  # what other threads do with the GPU meanwhile is no fault of theirs
    assert context.sized == 4  # twice each: before the capture, and in it


@pytest.mark.parametrize("sizes", [(), ("x",)])
def test_which_way_an_engine_runs_is_decided_before_anything_is_bound(
    monkeypatch: pytest.MonkeyPatch, sizes: tuple[str, ...]
) -> None:
    """A size as an input is read on the host: such an engine is the library's, and takes no context of ours."""
    context = Context()
    interpreter = SimpleNamespace(trt=tensorrt(context, sizes=sizes))
    conversion = ModuleType("torch_tensorrt.dynamo.conversion")
    conversion._TRTInterpreter = interpreter  # type: ignore[attr-defined]
    for name in ("torch_tensorrt", "torch_tensorrt.dynamo"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, conversion.__name__, conversion)
    monkeypatch.setattr(engine_run, "library", contextlib.nullcontext)
    monkeypatch.setattr(engine_run, "on_graphs", contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext())
    monkeypatch.setattr(engine_run, "_module", lambda *_: lambda weight, x: "the library's")
    call = engine_run.engine_on(CPU, graphs=False)(step(), b"it", {"weight": torch.ones(3, 2)})
    assert context.bound == ([] if sizes else ["weight"])
    if sizes:
        assert call(torch.ones(1, 3)) == "the library's"
