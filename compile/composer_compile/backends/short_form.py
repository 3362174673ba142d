"""The short form of a program: its graph as plain JSON inside the program's file, read in a fraction of torch's time.

torch's own reader rebuilds what it knows of every value, imports its compiler and parses expressions over sizes for it;
to run a graph takes its calls alone. The file stays a program of torch, which ignores the entry, and torch's reader is
what decides: the short form names its program by a hash, and is passed over under another torch.

Nothing is evaluated. A call names a registered operation of torch or one of `FUNCTIONS`, and its arguments are numbers,
texts, number formats and values that stand before it.
"""

from __future__ import annotations

import hashlib
import json
import math
import operator
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from keyword import iskeyword
from typing import Any, TypeVar

import torch
from torch import Tensor, fx

from composer_compile.artifact.operations import check_harmless, is_registered, unregistered
from composer_compile.errors import ArtifactError

__all__ = [
    "FUNCTIONS",
    "ShortForm",
    "constant_entry",
    "minor",
    "program_entry",
    "read_short_form",
    "short_entry",
]

T = TypeVar("T")
VERSION = 1
MOST_DEEP = 32
"""Levels of a short form; a graph's arguments take few."""
MODEL = "/models/model.json"
SHORT = "/extra/composer.short.json"
CONSTANTS = "/data/constants/"
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{
        f"operator.{name}": getattr(operator, name)
        for name in (
            *("getitem", "eq", "ne", "le", "ge", "lt", "gt", "neg", "pos", "mul", "add", "sub", "floordiv"),
            *("truediv", "mod", "pow", "and_", "or_", "lshift", "rshift"),
        )
    },
    **{
        f"torch.{name}": getattr(torch, name)
        for name in ("sym_not", "sym_int", "sym_float", "sym_ite", "sym_max", "sym_min", "sym_sqrt")
    },
    "math.trunc": math.trunc,
}
"""What a graph calls besides operations of torch: sizes are reckoned with, and tuples taken apart."""
ORDINARY = frozenset(
    (
        *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128),
    )
)
WORDS = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
MALFORMED = (
    KeyError,
    ValueError,
    TypeError,
    IndexError,
    AttributeError,
    RecursionError,
    OverflowError,
    EOFError,
)


def minor(version: str) -> str:
    """`2.14.1+cpu` → `2.14`: operations keep their meaning within it."""
    return ".".join(version.split("+", maxsplit=1)[0].split(".")[:2])


def program_entry(archive: zipfile.ZipFile) -> str:
    """The name of the one program in a file. Raises ValueError where it holds another number of them."""
    (name,) = (each for each in archive.namelist() if "/models/" in each)
    if not name.endswith(MODEL):
        raise ValueError(name)
    return name


def short_entry(program: str) -> str:
    """The name of the short form beside a program's entry."""
    return program.removesuffix(MODEL) + SHORT


def constant_entry(program: str, name: str) -> str:
    """The name of the entry that holds the content of a constant."""
    return program.removesuffix(MODEL) + CONSTANTS + name


@dataclass
class ShortForm:
    """A graph as it is stored, with the content of its constants."""

    data: Mapping[str, Any]
    constants: Mapping[str, bytes]

    def graph(
        self, weights: Sequence[Tensor | None], device: torch.device
    ) -> tuple[fx.Graph, dict[str, Tensor]]:
        """The graph, with the tensors that it holds by name: `weights` stand in the place of its first inputs.

        Raises ArtifactError for what no builder writes, and for an operation that nothing has registered.
        """
        return _Reader(device).read(self, weights)


def read_short_form(content: bytes | memoryview) -> ShortForm | None:
    """The short form of a program's file; None where it has none, or one that another torch or program has.

    Raises ArtifactError where the entry is no short form.
    """
    with zipfile.ZipFile(BytesIO(content)) as archive:
        try:
            program = program_entry(archive)
            name = short_entry(program)
            if name not in archive.namelist():
                return None
            data = json.loads(archive.read(name))
            if _depth(data) > MOST_DEEP:
                raise ValueError("too deep")
            if (data["version"], data["torch"]) != (VERSION, minor(torch.__version__)):
                return None
            if data["program"] != hashlib.sha256(archive.read(program)).hexdigest():
                return None
            held = {each["entry"] for each in data["inputs"] if not isinstance(each, str)}
            return ShortForm(data, {each: archive.read(constant_entry(program, each)) for each in held})
        except MALFORMED:
            raise _malformed() from None


def _malformed() -> ArtifactError:
    return ArtifactError("a program file of the artifact holds a short form that is none: compile it anew")


@dataclass(frozen=True)
class _Weight:
    """A value that the graph holds, before a call reads it."""

    name: str
    tensor: Tensor | None


@dataclass
class _Reader:
    device: torch.device
    graph: fx.Graph = field(default_factory=fx.Graph)
    held: dict[str, Tensor] = field(default_factory=dict)
    values: list[fx.Node | _Weight] = field(default_factory=list)

    def read(self, form: ShortForm, weights: Sequence[Tensor | None]) -> tuple[fx.Graph, dict[str, Tensor]]:
        try:
            self._inputs(form, weights)
            targets = [_target(name) for name in form.data["operations"]]
            for number, arguments, keywords in form.data["nodes"]:
                called = targets[_index(number, len(targets))]
                given = tuple(self._value(each) for each in arguments)
                named = {_keyword(key): self._value(each) for key, each in keywords.items()}
                self.values.append(self.graph.call_function(called, given, named))
            if not isinstance(form.data["result"], list):
                raise TypeError("result")
            self.graph.output(tuple(self._value(each) for each in form.data["result"]))
        except MALFORMED:
            raise _malformed() from None
        return self.graph, self.held

    def _inputs(self, form: ShortForm, weights: Sequence[Tensor | None]) -> None:
        given = 0
        for each in form.data["inputs"]:
            if not isinstance(each, str):
                content = form.constants[each["entry"]]
                self.values.append(_Weight(each["entry"], _constant(each, content, self.device)))
                continue
            is_weight = given < len(weights)
            self.values.append(
                _Weight(each, weights[given]) if is_weight else self.graph.placeholder(f"input_{given}")
            )
            given += 1
        if given < len(weights):
            raise ValueError(given)

    def _value(self, each: Any) -> Any:
        if each is None or isinstance(each, (bool, int, float, str)):
            return each
        if isinstance(each, list):
            return [self._value(item) for item in each]
        ((word, value),) = each.items()
        return getattr(self, f"_{_WORDS[word]}")(value)

    def _node(self, number: int) -> fx.Node:
        found = self.values[_index(number, len(self.values))]
        if isinstance(found, _Weight):
            if found.tensor is None:
                raise ArtifactError(
                    f"a program reads a weight ({found.name}) that its manifest entry does not give"
                )
            place = f"weight_{number}"
            self.held[place] = found.tensor
            found = self.values[number] = self.graph.get_attr(place)
        return found

    def _tuple(self, items: list[Any]) -> tuple[Any, ...]:
        return tuple(self._value(item) for item in items)

    def _float(self, word: str) -> float:
        return WORDS[word]

    def _complex(self, parts: list[float]) -> complex:
        real, imaginary = parts
        if not (math.isfinite(real) and math.isfinite(imaginary)):  # nothing that a source can say
            raise ValueError(parts)
        return complex(real, imaginary)

    def _on(self, _: str) -> torch.device:
        return self.device  # programs are stored on the CPU, and run where they are loaded

    def _dtype(self, name: str) -> torch.dtype:
        return _ordinary(name)

    def _layout(self, name: str) -> torch.layout:
        return _named(name, torch.layout)

    def _memory(self, name: str) -> torch.memory_format:
        return _named(name, torch.memory_format)


_WORDS = {
    "n": "node",
    "tuple": "tuple",
    "float": "float",
    "complex": "complex",
    "device": "on",
    "dtype": "dtype",
    "layout": "layout",
    "memory_format": "memory",
}
"""The word of a value that JSON has no form for, to what reads it."""


def _index(number: Any, count: int) -> int:
    if type(number) is not int or not 0 <= number < count:
        raise IndexError(number)
    return number


def _named(name: str, kind: type[T]) -> T:
    found: object = getattr(torch, name)
    if not isinstance(found, kind):
        raise TypeError(name)
    return found


def _ordinary(name: str) -> torch.dtype:
    """A number format of plain numbers: tensors of others, such as `quint8`, carry more than their bytes."""
    dtype = _named(name, torch.dtype)
    if dtype not in ORDINARY:
        raise TypeError(name)
    return dtype


def _target(name: str) -> Callable[..., Any]:
    """A function that a graph may call. Raises ArtifactError for an operation that nothing has registered."""
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    space, label, overload = name.split(".")
    check_harmless(f"{space}::{label}")
    found = operation_named(space, label, overload)
    if found is not None:
        return found
    if not all(part.isidentifier() and not part.startswith("__") for part in (space, label)):
        raise ValueError(name)
    if is_registered(f"{space}::{label}"):
        raise TypeError(name)
    raise unregistered(f"{space}::{label}")


def operation_named(space: str, label: str, overload: str) -> torch._ops.OpOverload | None:
    """An operation of torch, such as `aten`, `add`, `Tensor`; None where nothing has registered it."""
    found = getattr(getattr(getattr(torch.ops, space, None), label, None), overload, None)
    return found if isinstance(found, torch._ops.OpOverload) else None


def _keyword(name: str) -> str:
    """The name of an argument: it becomes part of Python's source."""
    if not (name.isascii() and name.isidentifier()) or iskeyword(name) or name.startswith("__"):
        raise ValueError(name)
    return name


def _depth(data: Any) -> int:
    """How deep lists and maps lie in each other, one call at a time: what is too deep must not end the process."""
    depth, level = 0, [data]
    while level and depth <= MOST_DEEP:
        depth += 1
        inside = (
            each.values() if isinstance(each, dict) else each
            for each in level
            if isinstance(each, (dict, list))
        )
        level = [item for items in inside for item in items]
    return depth


def _constant(entry: Mapping[str, Any], content: bytes, device: torch.device) -> Tensor:
    dtype, shape = _ordinary(entry["dtype"]), [_index(size, 1 << 62) for size in entry["shape"]]
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise ValueError(entry)
    if not content:
        return torch.empty(shape, dtype=dtype, device=device)
    return torch.frombuffer(bytearray(content), dtype=dtype).view(shape).to(device)
