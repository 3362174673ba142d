"""Calls of a graph by eager doors: the same operations with the same arguments, and no more of them than live."""

from __future__ import annotations

import collections
import types
from collections.abc import Mapping, Sequence
from typing import Any

import composer_compile
import pytest
import torch
from composer_compile.backends.direct_calls import (
    FUNCTIONS,
    METHODS,
    NEURAL,
    call_directly,
    without_idle_calls,
)
from torch import Tensor, fx
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

X, Y = torch.linspace(-1, 1, 24).view(2, 3, 4), torch.linspace(0.5, 2, 24).view(2, 3, 4)
W, BIAS = torch.linspace(-1, 1, 20).view(5, 4), torch.linspace(0, 1, 5)
M, N = torch.linspace(-1, 1, 12).view(3, 4), torch.linspace(0, 1, 8).view(4, 2)
ROWS, TRUTH = torch.tensor([1, 0]), X > 0
PIXELS = torch.linspace(0, 1, 2 * 3 * 2 * 4 * 4).view(2, 3, 2, 4, 4)
Q = torch.linspace(-1, 1, 48).view(1, 2, 6, 4)
Given = tuple[Sequence[Any], Mapping[str, Any]]


def given(*arguments: Any, **keywords: Any) -> Given:
    return arguments, keywords


NUMBERS = [given(X, Y), given(X, 2), given(X, 0.5), given(X, torch.tensor(3.0))]
COMPARED = [given(X, Y), given(X, torch.tensor(0.25))]
SAMPLES: dict[str, list[Given]] = {
    **{key: [*NUMBERS, given(X, Y, alpha=2), given(ROWS, 1)] for key in ("add.Tensor", "sub.Tensor")},
    **{key: [*NUMBERS, given(ROWS, 2), given(TRUTH, 0.5)] for key in ("mul.Tensor", "div.Tensor")},
    "rsub.Scalar": [given(X, 1), given(X, 1.0, 2)],
    "addcmul.default": [given(X, Y, X), given(X, Y, X, value=2)],
    "pow.Tensor_Scalar": [given(Y, 2), given(Y, 0.5)],
    **{
        f"{name}.default": [given(Y), given(Y.transpose(0, 1))]
        for name in (
            *("neg", "rsqrt", "sqrt", "exp", "log", "abs", "sin", "cos", "sigmoid", "tanh", "relu", "erf"),
            *("silu", "contiguous"),
        )
    },
    **{key: [given(X, Y)] for key in ("minimum.default", "maximum.default")},
    "clamp.default": [given(X, 0), given(X, None, 0.5), given(X, -0.5, 0.5)],
    "matmul.default": [given(X, N), given(M, N), given(M, N[:, 0])],
    "mm.default": [given(M, N)],
    "bmm.default": [given(X, Y.transpose(1, 2))],
    "addmm.default": [given(N[:3], M, N), given(N[0], M, N, beta=2, alpha=0.5)],
    "baddbmm.default": [given(X[..., :3], X, Y.transpose(1, 2))],
    "conv1d.default": [given(X, Y, None), given(X, Y, torch.ones(2), [2], [1], [1], 1)],
    "conv2d.default": [
        given(PIXELS[:, :, 0], torch.ones(4, 3, 2, 2), None, [2, 2], [0, 0]),
        given(PIXELS[:, :, 0], torch.ones(3, 1, 3, 3), torch.ones(3), [1, 1], [1, 1], [1, 1], 3),
    ],
    "conv3d.default": [given(PIXELS, torch.ones(4, 3, 1, 2, 2), None, [1, 2, 2])],
    "layer_norm.default": [given(X, [4]), given(X, [4], Y[0, 0], X[0, 0], 1e-12)],
    "group_norm.default": [given(X, 1), given(X, 3, torch.ones(3), torch.zeros(3), 1e-5)],
    "rms_norm.default": [given(X, [4], Y[0, 0]), given(X, [4], Y[0, 0], 1e-6)],
    **{key: [given(X, -1), given(X, 1, torch.float64)] for key in ("softmax.int", "log_softmax.int")},
    "mean.dim": [
        given(X, [1]),
        given(X, [0, 2], True),
        given(X, None),
        given(TRUTH, [1], dtype=torch.float32),
    ],
    "sum.dim_IntList": [
        given(X, [1]),
        given(X, [1], True),
        given(X, None, dtype=torch.float64),
        given(TRUTH, [2]),
    ],
    "cumsum.default": [given(X, 1), given(ROWS, 0, dtype=torch.int32)],
    "argmax.default": [given(X), given(X, -1), given(X, 1, True)],
    "t.default": [given(M)],
    "transpose.int": [given(X, 0, 1), given(X, -1, -2)],
    "permute.default": [given(X, [2, 0, 1])],
    "unsqueeze.default": [given(X, -1), given(X, 1)],
    "squeeze.dim": [given(X[:1], 0), given(X, 0)],
    "select.int": [given(X, 0, 1), given(X, 2, -1)],
    "unbind.int": [given(X), given(X, -1)],
    "unflatten.int": [given(X, -1, [2, -1]), given(X, 2, [2, 2])],
    "flatten.using_ints": [given(X), given(X, 1), given(X, 0, 1)],
    "cat.default": [given([X, Y]), given([X, Y, X], -1)],
    "stack.default": [given([X, Y]), given([X, Y], 2)],
    "chunk.default": [given(X, 2), given(X, 2, -1)],
    "embedding.default": [given(W, ROWS), given(W, ROWS, 0)],
    "index_select.default": [given(X, 1, ROWS)],
    "index_copy.default": [given(X, 1, ROWS, Y[:, :2])],
    "gather.default": [given(X, 2, torch.zeros(2, 3, 1, dtype=torch.int64))],
    **{f"{name}.Scalar": [given(X, 0), given(X, 0.25)] for name in ("eq", "ne", "le", "lt", "ge", "gt")},
    **{f"{name}.Tensor": COMPARED for name in ("eq", "ne", "le", "lt", "ge", "gt")},
    **{key: [given(TRUTH)] for key in ("logical_not.default", "bitwise_not.default")},
    **{
        key: [given(TRUTH, Y > 1)]
        for key in ("logical_and.default", "logical_or.default", "bitwise_and.Tensor", "bitwise_or.Tensor")
    },
    "where.self": [given(TRUTH, X, Y)],
    "masked_fill.Scalar": [given(X, TRUTH, 0), given(X, TRUTH, float("-inf"))],
    "linear.default": [given(X, W), given(X, W, BIAS)],
    "gelu.default": [given(X), given(X, approximate="tanh")],
    "scaled_dot_product_attention.default": [
        given(Q, Q, Q),
        given(Q, Q, Q, None, 0.0, True),
        given(Q, Q, Q, torch.zeros(1, 1, 6, 6), 0.0, False, scale=0.5),
        given(Q, Q[:, :1], Q[:, :1], enable_gqa=True),
    ],
    "pad.default": [given(X, [1, 1]), given(X, [0, 0, 1, 0], "constant", 2.0)],
    "softplus.default": [given(X), given(X, 2, 10)],
    "leaky_relu.default": [given(X), given(X, 0.2)],
    "view.default": [given(X, [6, 4]), given(X, [2, -1])],
    "reshape.default": [given(X.transpose(0, 1), [6, 4]), given(X, [-1])],
    "expand.default": [given(X[:1], [5, -1, -1]), given(BIAS, [2, 5])],
    "expand_as.default": [given(X[:1], Y)],
    "to.dtype": [given(X, torch.float64), given(X, torch.float32), given(X, torch.float32, False, True)],
    "type_as.default": [given(X, TRUTH)],
    "repeat.default": [given(X, [2, 1, 1]), given(BIAS, [2, 1])],
    "clone.default": [given(X), given(X.transpose(0, 1), memory_format=torch.contiguous_format)],
    **{
        key: [given(X, Y), given(X, 2)]
        for key in ("add_.Tensor", "sub_.Tensor", "mul_.Tensor", "div_.Tensor")
    },
    "addcmul_.default": [given(X, Y, Y), given(X, Y, Y, value=2)],
    "sigmoid_.default": [given(X)],
    "masked_fill_.Scalar": [given(X, TRUTH, 0)],
}


class Operations(TorchDispatchMode):
    """What was asked of kernels: every operation with its arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        # Eager code asks nobody to give back a tensor that is contiguous already.
        if func is not torch.ops.aten.contiguous.default or not args[0].is_contiguous():
            self.seen.append(f"{func}{tree_map(_described, (args, kwargs or {}))}")
        return func(*args, **(kwargs or {}))

    @property
    def counts(self) -> dict[str, int]:
        return collections.Counter(each.partition("(")[0] for each in self.seen)


def _described(value: Any) -> Any:
    return (value.dtype, value.shape, value.stride()) if isinstance(value, Tensor) else value


def graph_of(
    name: str, arguments: Sequence[Any], keywords: Mapping[str, Any]
) -> tuple[fx.Graph, list[Tensor]]:
    """A graph that calls one operation; tensors are its inputs, as they are in a program."""
    graph, tensors = fx.Graph(), list[Tensor]()

    def fed(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        tensors.append(value)
        return graph.placeholder(f"input_{len(tensors)}")

    operation, overload = name.split(".")
    target = getattr(getattr(torch.ops.aten, operation), overload)
    called = graph.call_function(target, tree_map(fed, tuple(arguments)), tree_map(fed, dict(keywords)))
    graph.output(called)
    return graph, tensors


def run(graph: fx.Graph, tensors: Sequence[Tensor]) -> tuple[list[str], Any]:
    module = fx.GraphModule({}, graph)
    with torch.inference_mode():
        tensors = [tensor.clone(memory_format=torch.preserve_format) for tensor in tensors]
        with Operations() as operations:
            result = module(*tensors)
    return operations.seen, (result, tensors)


@pytest.mark.parametrize("name", sorted(FUNCTIONS | NEURAL | METHODS))
def test_a_direct_call_asks_for_the_same_operation(name: str) -> None:
    for sample in SAMPLES[name]:
        graph, tensors = graph_of(name, *sample)
        expected = run(graph, tensors)
        call_directly(graph)
        (node,) = (each for each in graph.nodes if each.op.startswith("call_"))
        assert not isinstance(node.target, torch._ops.OpOverload)
        found = run(graph, tensors)
        assert found[0] == expected[0]
        torch.testing.assert_close(_flat(found[1]), _flat(expected[1]), rtol=0, atol=0)


def _flat(value: Any) -> list[Any]:
    return torch.utils._pytree.tree_leaves(value)


def test_a_function_of_torch_is_one_that_it_generated() -> None:
    doors = [getattr(torch, name.partition(".")[0]) for name in FUNCTIONS]
    doors += [getattr(torch._C._nn, name.partition(".")[0]) for name in NEURAL]
    assert {type(door) for door in doors} == {types.BuiltinFunctionType}


@pytest.mark.parametrize(
    "arguments",
    [(X, 1, 1, 3), (X, 2, -2, 9223372036854775807), (X, 0, None, 1), (X, 1, 0, -1), (X, 2, 0, 4, 2)],
)
def test_a_slice_is_the_same_part(arguments: Sequence[Any]) -> None:
    graph, tensors = graph_of("slice.Tensor", arguments, {})
    _, expected = run(graph, tensors)
    call_directly(graph)
    _, found = run(graph, tensors)
    assert torch.equal(found[0], expected[0])
    assert found[0].stride() == expected[0].stride()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("slice.Tensor", (X, 1, 0, 9223372036854775807)),
        ("slice.Tensor", (X,)),
        ("dropout.default", (X, 0.5, False)),
        ("alias.default", (X,)),
        ("detach.default", (X,)),
    ],
)
def test_a_call_that_gives_back_what_it_was_given_is_taken_out(name: str, arguments: Sequence[Any]) -> None:
    graph, tensors = graph_of(name, arguments, {})
    without_idle_calls(graph)
    assert [node.op for node in graph.nodes] == ["placeholder", "output"]
    assert torch.equal(run(graph, tensors)[1][0], X)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("slice.Tensor", (X, 1, 0, 3)), ("slice.Tensor", (X, 2, 0, 9223372036854775807, 2))],
)
def test_a_call_that_may_change_something_stays(name: str, arguments: Sequence[Any]) -> None:
    graph, _ = graph_of(name, arguments, {})
    without_idle_calls(graph)
    assert [node.op for node in graph.nodes] == ["placeholder", "call_function", "output"]


def test_dropout_that_drops_stays() -> None:
    graph, _ = graph_of("dropout.default", (X, 0.5, True), {})
    without_idle_calls(graph)
    assert len(graph.nodes) == 3


def test_what_a_plugin_registers_is_called_as_it_stands() -> None:
    with torch.library._scoped_library("directly", "DEF") as library:
        library.define("add(Tensor x, Tensor y) -> Tensor")
        library.impl("add", lambda x, y: x - y, "CompositeExplicitAutograd")
        graph = fx.Graph()
        x, y = graph.placeholder("x"), graph.placeholder("y")
        graph.output(graph.call_function(torch.ops.directly.add.default, (x, y)))
        call_directly(graph)
        assert torch.equal(fx.GraphModule({}, graph)(X, Y), X - Y)


@torch.inference_mode()
def test_a_program_asks_for_no_more_operations_than_the_live_model(small: Any, clip: Any) -> None:
    """The encode stage with the decoder's start, and a step with the reordering of its beams."""
    raw = {"video": [clip(3)], "question": ["what is it"]}
    runner = small.model.runner("video-qa")
    (generator,) = runner.generators.values()
    tensors, _ = runner.inputs.encode(raw, torch.device("cpu"))
    parents, ids = torch.tensor([[0, 0, 1]]), torch.tensor([[2, 5, 6]])
    with Operations() as encoding:
        _, cache, _ = generator.start(generator.step.read(runner.program(tensors)))
    with Operations() as stepping:
        generator.decoder.step(ids, cache.reorder(parents))
    with composer_compile.load(small.artifact) as artifact:
        task = artifact.task("video-qa")
        given, sizes, _ = task.requests.read(raw)
        stages = [
            part for part in task.order if part.name.startswith("encode") or not hasattr(part, "decoder")
        ]
        search = next(part for part in task.order if hasattr(part, "decoder"))
        values = dict(given)
        task.walk(values, sizes, {}, 0, stages)  # loads the programs
        values = dict(given)
        with Operations() as encoded:
            task.walk(values, sizes, {}, 0, stages)
        start = search.decoder.start(values, 1, sizes).reorder(parents)
        search.decoder.step(ids, start)
        with Operations() as stepped:
            search.decoder.step(ids, start)
    for live, compiled in ((encoding, encoded), (stepping, stepped)):
        assert len(compiled.seen) <= len(live.seen), _beyond(compiled, live)
        assert attention(compiled) == attention(live)
        assert attention(live)


def _beyond(compiled: Operations, live: Operations) -> dict[str, tuple[int, int]]:
    """Operations that a program asks for more often than the live model: how often each asks."""
    return {
        name: (count, live.counts[name])
        for name, count in compiled.counts.items()
        if count > live.counts[name]
    }


def attention(operations: Operations) -> dict[str, int]:
    """The attention that ran, by operation: fused ones alone carry it in their names."""
    return {name: count for name, count in operations.counts.items() if "attention" in name}
