"""Writing the short form of a program into its file, and comparing it with what torch reads from the same file."""

from __future__ import annotations

import cmath
import hashlib
import io
import json
import math
import zipfile
from typing import Any

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind

from composer_compile.backends.short_form import (
    FUNCTIONS,
    VERSION,
    constant_entry,
    minor,
    program_entry,
    short_entry,
)
from composer_compile.backends.torch_reader import read_by_torch
from composer_compile.errors import ArtifactError

__all__ = ["check_short_form", "with_short_form"]

EPOCH = (1980, 1, 1, 0, 0, 0)
NAMES = {function: name for name, function in FUNCTIONS.items()}


class _LongError(Exception):
    """A graph has something that the short form has no word for."""


def with_short_form(content: bytes) -> bytes:
    """The file of a program with its short form in it; as it was where the graph has none, which torch reads then."""
    program, text = _made(content)
    if text is None:
        return content
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(short_entry(program), EPOCH), text)
    return buffer.getvalue()


def check_short_form(content: bytes) -> None:
    """Raise ArtifactError where a file's short form, if one is used here, is not that of its program."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        name = short_entry(program_entry(archive))
        stored = archive.read(name) if name in archive.namelist() else None
    if stored is None or json.loads(stored).get("torch") != minor(torch.__version__):
        return
    if stored != _made(content)[1]:
        raise ArtifactError("the short form of a program is not that of its program: compile it anew")


def _made(content: bytes) -> tuple[str, bytes | None]:
    """The name of a file's program and its short form, made from what torch reads: so they cannot mean two things."""
    exported = read_by_torch(content, torch.device("cpu"))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        program = program_entry(archive)
        try:
            data = _Writer(exported, archive, program).data()
        except _LongError:
            return program, None
    return program, json.dumps(data, separators=(",", ":"), allow_nan=False).encode()


class _Writer:
    def __init__(self, exported: ExportedProgram, archive: zipfile.ZipFile, program: str) -> None:
        self.exported = exported
        self.archive = archive
        self.program = program
        self.numbers: dict[fx.Node, int] = {}
        self.operations: dict[str, int] = {}

    def data(self) -> dict[str, Any]:
        signature = self.exported.graph_signature
        if any(spec.kind is not OutputKind.USER_OUTPUT for spec in signature.output_specs):
            raise _LongError
        inputs = [self._input(node) for node in self.exported.graph.find_nodes(op="placeholder")]
        nodes, result = [], None
        for node in self.exported.graph.nodes:
            if node.op == "call_function":
                called = self.operations.setdefault(_name(node.target), len(self.operations))
                keywords = {key: self._value(_keyword(key, each)) for key, each in node.kwargs.items()}
                nodes.append([called, [self._value(each) for each in node.args], keywords])
                self.numbers[node] = len(self.numbers)
            elif node.op == "output":
                result = [self._value(each) for each in node.args[0]]
            elif node.op != "placeholder":  # a graph inside the graph
                raise _LongError
        return {
            "version": VERSION,
            "torch": minor(torch.__version__),
            "program": hashlib.sha256(self.archive.read(self.program)).hexdigest(),
            "inputs": inputs,
            "operations": list(self.operations),
            "nodes": nodes,
            "result": result,
        }

    def _input(self, node: fx.Node) -> str | dict[str, Any]:
        self.numbers[node] = len(self.numbers)
        (spec,) = (each for each in self.exported.graph_signature.input_specs if each.arg.name == node.name)
        if spec.kind is InputKind.USER_INPUT:
            return node.name
        if spec.kind is InputKind.CONSTANT_TENSOR and spec.target is not None:
            return self._constant(spec.target, self.exported.constants[spec.target])
        raise _LongError

    def _constant(self, name: str, tensor: Any) -> dict[str, Any]:
        """Where torch stores the content of a constant, if it lies there as it is."""
        folder = constant_entry(self.program, "")
        (listed,) = (
            each for each in self.archive.namelist() if each.startswith(folder) and each.endswith(".json")
        )
        entry = json.loads(self.archive.read(listed))["config"][name]["path_name"]
        if not isinstance(tensor, Tensor) or not tensor.is_contiguous():
            raise _LongError
        raw = tensor.detach().flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
        if self.archive.read(folder + entry) != raw:
            raise _LongError
        return {"entry": entry, "dtype": _word(tensor.dtype), "shape": list(tensor.shape)}

    def _value(self, each: Any) -> Any:
        if isinstance(each, fx.Node):
            return {"n": self.numbers[each]}
        if isinstance(each, tuple):
            return {"tuple": [self._value(item) for item in each]}
        if isinstance(each, list):
            return [self._value(item) for item in each]
        if isinstance(each, complex) and cmath.isfinite(each):
            return {"complex": [each.real, each.imag]}
        if isinstance(each, float) and not math.isfinite(each):
            return {"float": str(each)}
        if each is None or type(each) in (bool, int, float, str):
            return each
        for kind in (torch.device, torch.dtype, torch.layout, torch.memory_format):
            if isinstance(each, kind):
                return {kind.__name__: _word(each)}
        raise _LongError


def _keyword(name: str, value: Any) -> Any:
    """The value of an argument: a device may be a text, which is what torch leaves where it moved a program."""
    return torch.device(value) if name == "device" and isinstance(value, str) else value


def _name(target: Any) -> str:
    if isinstance(target, torch._ops.OpOverload):
        return str(target)
    if target in NAMES:
        return NAMES[target]
    raise _LongError


def _word(value: Any) -> str:
    return str(value).removeprefix("torch.")
