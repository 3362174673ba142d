"""An engine in its own context, with a double in the place of TensorRT: weights are bound once, requests every time."""

from __future__ import annotations

import contextlib
import ctypes
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from composer_compile.backends.tensorrt import bound_engine, engine_run
from composer_compile.backends.tensorrt.bound_engine import BoundEngine, ReadEngine
from composer_compile.backends.tensorrt.program_file import Binding, EngineStep
from composer_compile.errors import ArtifactError
from engines import CPU
from torch import Tensor

from composer.execution import captured

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


def tensorrt(context: Any, engine: bool = True, sizes: Sequence[str] = ()) -> Any:
    """`context`: the one that is created, or a function that creates one."""
    made = SimpleNamespace(
        create_execution_context=context if callable(context) else lambda: context,
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


def bound(context: Any, weight: Tensor, **options: Any) -> BoundEngine:
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


class Contexts(list[Context]):
    """Makes contexts, as many as there is memory for."""

    def __init__(self, most: int = 100) -> None:
        self.most = most

    def __call__(self) -> Context | None:
        if len(self) == self.most:
            return None
        self.append(Context())
        return self[-1]


@dataclass
class Graphs:
    """Graphs of torch, pretended: a replay has the contexts that ran while it was captured run again."""

    contexts: Contexts
    modes: list[str] = field(default_factory=list)
    made: int = 0

    def new(self) -> Any:
        self.made += 1
        return SimpleNamespace(held=[], replay=None)

    @contextlib.contextmanager
    def capture(self, graph: Any, *, capture_error_mode: str) -> Iterator[None]:
        self.modes.append(capture_error_mode)
        before = [len(context.streams) for context in self.contexts]
        yield
        ran = [c for c, count in zip(self.contexts, before, strict=True) if len(c.streams) > count]
        graph.replay = lambda: [context.execute_async_v3(7) for context in ran]


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Graphs:
    made = Graphs(Contexts())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", made.new)
    monkeypatch.setattr(torch.cuda, "graph", made.capture)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    return made


def answered(engine: BoundEngine, weight: Tensor, *sizes: int) -> None:
    """Results are right, also after later calls: a replay writes into none that was given out."""
    kept = []
    for rows in sizes:
        x = torch.randn(rows, 3)
        kept.append((engine(x)[0], x @ weight))
    for ours, theirs in kept:
        torch.testing.assert_close(ours, theirs)


def test_graphs_are_captured_once_per_size_and_replayed(graphs: Graphs) -> None:
    weight = torch.randn(3, 2)
    engine = bound(graphs.contexts, weight, graphs=True)
    answered(engine, weight, 2, 2, 3, 2, 3, 3, 2)
    assert graphs.made == 2
    assert (
        graphs.modes == ["thread_local"] * 2
    )  # what other threads do with the GPU meanwhile is no fault of theirs
    # A graph holds what is its context's, so each has its own; it is sized before the capture, and in it.
    assert [context.sized for context in graphs.contexts] == [2, 2]


def test_as_many_sizes_stay_captured_as_are_worth_their_memory(
    graphs: Graphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bound_engine, "MOST_SIZES", 2)
    weight = torch.randn(3, 2)
    engine = bound(graphs.contexts, weight, graphs=True)
    answered(engine, weight, 1, 2, 1, 3)  # now 2 is the one that was used longest ago
    assert (graphs.made, len(graphs.contexts)) == (3, 2)
    answered(engine, weight, 1, 3)
    assert graphs.made == 3
    answered(engine, weight, 2, 3, 2)
    assert (graphs.made, len(graphs.contexts)) == (4, 2)


def test_where_memory_is_short_one_context_captures_one_size_after_the_other(graphs: Graphs) -> None:
    graphs.contexts.most = 1
    weight = torch.randn(3, 2)
    engine = bound(graphs.contexts, weight, graphs=True)
    answered(engine, weight, 2, 3, 2)
    assert (graphs.made, len(graphs.contexts)) == (3, 1)


def test_in_a_larger_graph_an_engine_has_a_context_of_its_own_and_captures_nothing(graphs: Graphs) -> None:
    """As in a turn of a search: what runs there is bound to the places of that graph."""
    weight = torch.randn(3, 2)
    engine = bound(graphs.contexts, weight, graphs=True)

    def capture(run: Any, begin: Any, device: Any) -> Any:
        before = {context: len(context.streams) for context in graphs.contexts}
        result = run()
        ran = [each for each in graphs.contexts if len(each.streams) > before.get(each, 0)]

        def replay() -> Tensor:
            for context in ran:
                context.execute_async_v3(7)
            return result

        return replay

    whole = captured.Graphs("it", lambda: lambda x: (x, engine(x)[0]), capture=capture)
    for rows in (1, 2, 1):
        lent = whole.lend(torch.zeros(rows, 3))
        assert lent is not None
        for _ in range(3):
            x = torch.randn(rows, 3)
            lent.values.copy_(x)
            torch.testing.assert_close(lent(), x @ weight)
        answered(engine, weight, rows)  # alone it runs as ever
        del lent
    assert len(graphs.contexts) == 2 + 2  # of the two larger graphs, and of those of the engine alone
    assert graphs.made == 2


def test_a_larger_graph_lets_the_contexts_go_that_it_holds(graphs: Graphs) -> None:
    engine = bound(graphs.contexts, torch.randn(3, 2), graphs=True)

    def capture(run: Any, begin: Any, device: Any) -> Any:
        result = run()
        return lambda: result

    whole = captured.Graphs("it", lambda: lambda x: (x, engine(x)[0]), capture=capture)
    lent = whole.lend(torch.zeros(1, 3))
    assert lent is not None
    assert list(lent.captured.kept) == [engine]
    context = weakref.ref(lent.captured.kept[engine])
    del lent, whole
    assert context() is None


@pytest.mark.parametrize("sizes", [(), ("x",)])
def test_which_way_an_engine_runs_is_decided_before_anything_is_bound(
    monkeypatch: pytest.MonkeyPatch, sizes: tuple[str, ...]
) -> None:
    """A size as an input is read on the host: such an engine is the library's, and takes no context of ours."""
    context = Context()
    call = engine_of(monkeypatch, context, sizes, graphs=False)
    assert context.bound == ([] if sizes else ["weight"])
    if sizes:
        assert call(torch.ones(1, 3)) == "the library's"


def engine_of(
    monkeypatch: pytest.MonkeyPatch, context: Any, sizes: Sequence[str], *, graphs: bool
) -> Callable[..., Any]:
    """An engine as a program calls it, with doubles in the place of the library."""
    interpreter = SimpleNamespace(trt=tensorrt(context, sizes=sizes))
    conversion = ModuleType("torch_tensorrt.dynamo.conversion")
    conversion._TRTInterpreter = interpreter  # type: ignore[attr-defined]
    for name in ("torch_tensorrt", "torch_tensorrt.dynamo"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, conversion.__name__, conversion)
    monkeypatch.setattr(engine_run, "library", contextlib.nullcontext)
    monkeypatch.setattr(engine_run, "on_graphs", contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: SimpleNamespace(cuda_stream=7))
    monkeypatch.setattr(engine_run, "_module", lambda *_: lambda weight, x: "the library's")
    return engine_run.engine_on(CPU, graphs=graphs)(step(), b"it", {"weight": torch.ones(3, 2)})


@pytest.mark.parametrize(
    ("sizes", "is_allowed", "told"),
    [
        ((), True, None),
        ((), False, "its engines were compiled without CUDA graphs"),
        (("x",), True, "an engine of it is captured by TensorRT's library, which no other graph can hold"),
    ],
)
def test_what_becomes_part_of_a_larger_graph(
    sizes: tuple[str, ...],
    is_allowed: bool,
    told: str | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Engines in contexts of our own, of artifacts that were compiled for graphs; what has others runs as it is."""
    call = engine_of(monkeypatch, Contexts(), sizes, graphs=is_allowed)
    whole = captured.Graphs("it", lambda: lambda x: (x, call(x)[0]), capture=lambda run, *_: (run(), run)[1])
    with caplog.at_level("INFO", logger=captured.__name__):
        lent = whole.lend(torch.ones(1, 3))
    assert (lent is None) == (told is not None)
    assert caplog.messages == ([] if told is None else [f"it runs as it is: {told}"])
