"""A program of the tensorrt backend runs as its file says, with functions in the place of engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from composer_compile.artifact.weight_store import WeightStore
from composer_compile.backends.tensorrt import program_file
from composer_compile.backends.tensorrt.engine_graph import read_graph
from composer_compile.backends.tensorrt.engine_run import wired
from composer_compile.errors import CompileError
from composer_compile.export.exporter import export_stage
from composer_compile.tensors.specs import ProgramSpec, TensorSpec
from composer_compile.tensors.variants import variants_of
from engines import CPU, bound, packed
from pretended import near, pretended_cuda
from torch import Tensor, nn
from torch.fx.passes.split_module import split_module

from composer.graph import Range
from composer.types import Dim

aten = torch.ops.aten


def test_steps_are_wired_as_the_file_says() -> None:
    """With functions in the place of engines."""

    def engine(
        step: program_file.EngineStep, content: bytes, fixed: Mapping[str, Tensor]
    ) -> Callable[..., Any]:
        assert list(fixed) == ([] if content == b"first" else ["a"])
        engines: dict[bytes, Callable[..., Any]] = {
            b"first": lambda x: x + 1,
            b"second": lambda a, b: (a * b,),
        }
        return bound(step, engines[content], fixed)

    constant = torch.tensor([3.0])
    results = wired(packed(), [constant], CPU, engine)(torch.tensor([4.0]))
    assert [each.tolist() for each in results] == [[15.0], [3.0]]


class InThree(nn.Module):
    """Three parts, the middle one with weights of its own and a size that depends on the request."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Linear(4, 4)
        self.middle = nn.Linear(4, 4)
        self.after = nn.Linear(4, 4)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        (states,) = tensors
        middle = torch.cumsum(self.middle(self.before(states).tanh()), 1)
        return self.after(middle.flatten(0, 1)).unflatten(0, (states.shape[0], -1)), middle


class Engine(nn.Module):
    """Looks as the library's module does; runs nothing."""

    def __init__(self, number: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.serialized_engine = f"engine {number}".encode()
        self.input_binding_names = [f"in{i}" for i in range(inputs)]
        self.output_binding_names = [f"output{i}" for i in range(outputs)]


def split(spec: ProgramSpec) -> tuple[torch.fx.GraphModule, dict[bytes, torch.fx.GraphModule]]:
    """The stage as the library would cut it: up to tanh and after cumsum into engines, what is between to torch."""
    variant = variants_of(spec.ranges)[-1]
    whole = export_stage(spec, variant, lifted=False).module()
    order = [node for node in whole.graph.nodes if node.target is aten.linear.default]
    starts = {order[1]: 1, order[2]: 2}
    places: dict[torch.fx.Node, int] = {}
    current = 0
    for node in whole.graph.nodes:
        current = starts.get(node, current)
        places[node] = current
    graph = split_module(whole, whole, lambda node: places[node])
    engines: dict[bytes, torch.fx.GraphModule] = {}
    for name in ("submod_0", "submod_2"):
        module = _part(graph, name)
        results = next(node for node in module.graph.nodes if node.op == "output").args[0]
        inputs = sum(node.op == "placeholder" for node in module.graph.nodes)
        engine = Engine(int(name[-1]), inputs, len(results) if isinstance(results, tuple) else 1)
        engines[engine.serialized_engine] = module
        setattr(graph, name, engine)
    _own_weights(graph, "submod_1")
    return graph, engines


def _part(graph: torch.fx.GraphModule, name: str) -> torch.fx.GraphModule:
    part = graph.get_submodule(name)
    assert isinstance(part, torch.fx.GraphModule)
    return part


def _own_weights(graph: torch.fx.GraphModule, name: str) -> None:
    """Weights that stand beside a part go into it, where the library leaves them."""
    part = _part(graph, name)
    call = next(node for node in graph.graph.nodes if node.target == name)
    placeholders = [node for node in part.graph.nodes if node.op == "placeholder"]
    for given, placeholder in zip(call.args, placeholders, strict=True):
        if given.op == "get_attr":
            part.register_buffer(placeholder.name, graph.get_parameter(given.target).detach())
            with part.graph.inserting_before(placeholder):
                placeholder.replace_all_uses_with(part.graph.get_attr(placeholder.name))
            part.graph.erase_node(placeholder)
    call.args = tuple(given for given in call.args if given.op != "get_attr")
    for given in [node for node in graph.graph.nodes if node.op == "get_attr" and not node.users]:
        graph.graph.erase_node(given)
    part.recompile()


def stage(length: Range) -> ProgramSpec:
    ranges = {"batch": Range(2, 5, 3), "length": length}
    dims = (Dim.of("batch"), Dim.of("length"), Dim(4))
    given = TensorSpec("states", "float32", dims)
    return ProgramSpec("encode", InThree().eval(), (given,), (given, given), ranges, ("some", "nodes"))


def test_a_size_that_was_fixed_on_the_way_is_refused() -> None:
    graph, _ = split(stage(Range(4, 4, 4)))
    spec = stage(Range(2, 9, 4))
    variant, store = variants_of(spec.ranges)[-1], WeightStore({"it": spec.module})
    message = (
        r"stage encode cannot be built.* input states became \[2, 4, 4\] where \[2, 2, 4\] was asked for"
    )
    with pytest.raises(CompileError, match=message):
        read_graph(graph, spec, variant, store, made_with={}, targets=["8.9"], left=[], graphs=False)


def test_what_falls_back_runs_between_the_engines() -> None:
    torch.manual_seed(5)
    spec = stage(Range(2, 9, 4))
    graph, engines = split(spec)
    store = WeightStore({"it": spec.module})
    file = program_file.pack(
        read_graph(
            graph,
            spec,
            variants_of(spec.ranges)[-1],
            store,
            made_with={},
            targets=["8.9"],
            left=[],
            graphs=False,
        )
    )
    read = program_file.unpack(file)
    first, second, third = read.program.steps
    assert isinstance(first, program_file.EngineStep)
    assert isinstance(second, program_file.TorchStep)
    assert isinstance(third, program_file.EngineStep)
    weights = [store.tensor(key) for key in read.program.weights]
    assert len(second.weights) == 2
    assert len(read.program.constants) == 4  # what the other two take from outside
    assert not any(name in file for name in (b".pkl", b"site-packages"))
    run = wired(read, weights, CPU, lambda step, content, fixed: bound(step, engines[content], fixed))
    given = [torch.randn(shape) for shape in ((3, 4, 4), (2, 9, 4), (5, 2, 4))]
    with torch.no_grad():
        expected = [spec.module(states) for states in given]
        for states, results in zip(given, expected, strict=True):
            for ours, theirs in zip(run(states), results, strict=True):
                torch.testing.assert_close(ours, theirs)
        with pretended_cuda() as device:
            weights = [tensor.to(device) for tensor in weights]
            run = wired(
                read,
                weights,
                device,
                lambda step, content, fixed: bound(step, engines[content].to(device), fixed),
            )
            for states, results in zip(given, expected, strict=True):
                for ours, theirs in zip(run(states.to(device)), results, strict=True):
                    torch.testing.assert_close(near(ours), theirs)
