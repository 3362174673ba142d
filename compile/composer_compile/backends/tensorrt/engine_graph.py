"""From the library's graph to a program file: engines, torch parts, constants, and the wires between them."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, fx

from composer_compile.artifact.weight_store import WeightStore
from composer_compile.backends.export_builder import packed_program
from composer_compile.backends.tensorrt.engine_build import left_with_torch
from composer_compile.backends.tensorrt.program_file import (
    Binding,
    EngineProgram,
    EngineStep,
    Packed,
    TorchStep,
    digest,
)
from composer_compile.backends.tensorrt.segments import Fallback, export_segment
from composer_compile.errors import CompileError
from composer_compile.tensors.points import PointSizes, number, symbols
from composer_compile.tensors.specs import ProgramSpec
from composer_compile.tensors.variants import Variant

__all__ = ["fixed_name", "read_graph"]


def read_graph(
    graph: fx.GraphModule,
    spec: ProgramSpec,
    variant: Variant,
    store: WeightStore,
    *,
    made_with: Mapping[str, str],
    targets: Sequence[str],
    left: Sequence[Fallback],
    graphs: bool,
    shared: Sequence[str] = (),
) -> Packed:
    """The program, with torch's weights in the store; `shared` are the keys of those that the graph takes first.

    Raises:
        CompileError: the graph has what a program file cannot hold.
    """
    reader = _Reader(graph, spec, variant, store, list(shared))
    outputs = reader.run()
    program = EngineProgram(
        made_with=dict(made_with),
        targets=list(targets),
        inputs=[reader.binding(node, each.name, each.name) for node, each in reader.given],
        outputs=outputs,
        weights=reader.weights,
        shared=reader.shared,
        constants=reader.constants,
        steps=reader.steps,
        left=[str(each) for each in left],
        graphs=graphs,
    )
    return Packed(program, reader.files)


@dataclass
class _Reader:
    graph: fx.GraphModule
    spec: ProgramSpec
    variant: Variant
    store: WeightStore
    shared: list[str]
    files: dict[str, bytes] = field(default_factory=dict)
    steps: list[EngineStep | TorchStep] = field(default_factory=list)
    constants: dict[str, int] = field(default_factory=dict)
    weights: list[str] = field(default_factory=list)
    values: dict[fx.Node, list[str]] = field(default_factory=dict)

    def run(self) -> list[str]:
        """Read every node; the values that are the stage's outputs."""
        nodes = list(self.graph.graph.nodes)
        placeholders = [node for node in nodes if node.op == "placeholder"]
        count = len(self.shared)
        self.given = list(zip(placeholders[count:], self.spec.inputs, strict=True))
        self.points = [symbols(self.given, sizes) for sizes in PointSizes.of(self.variant).points]
        self._check_sizes()
        for node, key in zip(placeholders[:count], self.shared, strict=True):
            self._fixed(node, self._position(key))
        for node, each in self.given:
            self.values[node] = [each.name]
        if self.graph in left_with_torch(self.graph):
            return self._torch_step(self.graph, [node.meta["val"] for node in placeholders], placeholders)
        for node in nodes:
            if node.op == "get_attr":
                self._constant(node)
            elif node.op == "call_module":
                self._call(node)
            elif node.op == "call_function" and node.target is operator.getitem:
                self.values[node] = [self.values[node.args[0]][node.args[1]]]
            elif node.op == "output":
                results = node.args[0] if isinstance(node.args[0], (list, tuple)) else [node.args[0]]
                return [self._value(each) for each in results]
        raise AssertionError("a graph ends with its output")

    def binding(self, node: Any, name: str, value: str) -> Binding:
        found = node.meta.get("val") if isinstance(node, fx.Node) else node
        found = found[0] if isinstance(found, (list, tuple)) and len(found) == 1 else found
        shapes = [_shape(found, point) for point in self.points]
        dtype = str(found.dtype).removeprefix("torch.") if isinstance(found, Tensor) else "int64"
        dtype = "" if found is None else dtype
        return Binding(
            name=name, value=value, dtype=dtype, smallest=shapes[0], best=shapes[1], largest=shapes[2]
        )

    def _check_sizes(self) -> None:
        """Nothing that was done to the graph may have fixed a size that requests are free to choose."""
        for point, wanted in zip(self.points, PointSizes.of(self.variant).points, strict=True):
            for node, each in self.given:
                found, expected = _shape(node.meta["val"], point), list(each.shape(wanted))
                if found is not None and found != expected:
                    raise CompileError(
                        f"stage {self.spec.name} cannot be built by Torch-TensorRT: its input {each.name} became "
                        f"{found} where {expected} was asked for"
                    )

    def _value(self, node: Any) -> str:
        if not isinstance(node, fx.Node) or len(self.values.get(node, ())) != 1:
            raise CompileError(
                f"stage {self.spec.name}: Torch-TensorRT gives {node} as a result or argument, which is not a tensor"
            )
        return self.values[node][0]

    def _constant(self, node: fx.Node) -> None:
        tensor = self.graph
        for part in str(node.target).split("."):
            tensor = getattr(tensor, part)
        self._fixed(node, self._weight(tensor.detach()))  # type: ignore[operator]

    def _fixed(self, node: fx.Node, position: int) -> None:
        """A value that is the same for every request."""
        name = f"constant_{len(self.constants)}"
        self.constants[name] = position
        self.values[node] = [name]

    def _weight(self, tensor: Any) -> int:
        return self._position(self.store.key(tensor, fixed_name(self.spec)))

    def _position(self, key: str) -> int:
        if key not in self.weights:
            self.weights.append(key)
        return self.weights.index(key)

    def _call(self, node: fx.Node) -> None:
        module: Any = self.graph.get_submodule(str(node.target))
        if hasattr(module, "serialized_engine"):
            self._engine_step(node, module)
            return
        placeholders = [each for each in module.graph.nodes if each.op == "placeholder"]
        self.values[node] = self._torch_step(module, [each.meta["val"] for each in placeholders], node.args)

    def _engine_step(self, node: fx.Node, module: Any) -> None:
        if getattr(module, "aliased_io", None):
            raise CompileError(f"stage {self.spec.name}: an engine would write into its inputs")
        content = bytes(module.serialized_engine)
        file = f"engines/{len(self.steps)}.engine"
        self.files[file] = content
        outputs = [f"{self._name()}.{name}" for name in module.output_binding_names]
        shown = self._results(node, len(outputs))
        self.steps.append(
            EngineStep(
                engine=file,
                sha256=digest(content),
                inputs=[
                    self.binding(each, name, self._value(each))
                    for each, name in zip(node.args, module.input_binding_names, strict=True)
                ],
                outputs=[
                    self.binding(found, name, value)
                    for found, name, value in zip(shown, module.output_binding_names, outputs, strict=True)
                ],
                output_allocator=bool(getattr(module, "requires_output_allocator", False)),
            )
        )
        self.values[node] = outputs

    def _results(self, node: fx.Node, count: int) -> list[Any]:
        """What an engine gives, without data; None where the library notes nothing."""
        noted = node.meta.get("val")
        shown = (
            [None] * count if noted is None else list(noted) if isinstance(noted, (list, tuple)) else [noted]
        )
        read = [int(user.args[1]) for user in node.users if user.target is operator.getitem]  # type: ignore[arg-type]
        if len(shown) != count or any(position >= count for position in read):
            raise CompileError(
                f"stage {self.spec.name}: an engine gives {count} results and the graph reads "
                f"{max(len(shown), 1 + max(read, default=0))}: two of them are the same value to Torch-TensorRT"
            )
        return shown

    def _torch_step(self, module: fx.GraphModule, values: Sequence[Any], inputs: Sequence[Any]) -> list[str]:
        """Add a part that stays with torch; the names of what it gives."""
        results = next(each for each in module.graph.nodes if each.op == "output").args[0]
        count = len(results) if isinstance(results, (list, tuple)) else 1
        outputs = [f"{self._name()}.{position}" for position in range(count)]
        segment = export_segment(module, values, self.points[1])
        tensors = [(fixed_name(self.spec), tensor) for tensor in segment.state.values()]
        content, keys = packed_program(segment.exported, tensors, self.store)
        file = f"torch/{len(self.steps)}.pt2"
        self.files[file] = content
        weights = [
            -1 if key is None else self._weight(tensor)
            for (_, tensor), key in zip(tensors, keys, strict=True)
        ]
        self.steps.append(
            TorchStep(
                program=file,
                sha256=digest(content),
                inputs=[self._value(each) for each in inputs],
                outputs=outputs,
                weights=weights,
            )
        )
        return outputs

    def _name(self) -> str:
        return f"step_{len(self.steps)}"


def fixed_name(spec: ProgramSpec) -> str:
    """What a weight is called that the build made and no module owns."""
    return f"{spec.name}.fixed"


def _shape(found: Any, sizes: Mapping[Any, int]) -> list[int] | None:
    """A shape in numbers; None where it is unknown or has symbols that no input shows."""
    if not isinstance(found, Tensor):
        return None if found is None else []
    try:
        return [number(size, sizes) for size in found.shape]
    except (TypeError, ValueError):
        return None
