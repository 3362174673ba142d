"""The modules of a model's encode stages fused by torch.compile, with what it makes kept in a folder between processes.

A module that launches a thousand small kernels waits for its host; fused, their number falls to a part of it. It costs
the first answer its time: everything is traced, and what no earlier process has left in the folder is compiled. Sizes
that requests bring stay open within the bounds that the document proves, so that the next request does not compile
again. A size of 1 is a case of its own, as torch makes it. On a GPU a node whose shapes come again is one CUDA graph.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx

from composer.execution.captured_nodes import CapturedNode
from composer.plan import Plan, Step
from composer.problems import InputError
from composer.types import Kind

__all__ = ["Fusing", "fusing_in"]

LOG = logging.getLogger(__name__)
LEAST = 2
"""The smallest size that is one of many to torch: it takes 0 and 1 for cases of their own."""
CACHE = "TORCHINDUCTOR_CACHE_DIR"
LONGEST_REASON = 160

Function = Callable[..., Any]


@dataclass(frozen=True)
class _Open:
    """An axis of a tensor whose size differs between requests: `part` of the value's tensors, and the bounds."""

    part: int
    axis: int
    low: int
    high: int


@dataclass
class Fusing:
    """What was fused so far, for all tasks of a model: how long it took, and which nodes run as they are and why."""

    folder: Path
    seconds: float = 0.0
    """What the runs took that had to compile first, or to take from the folder what an earlier process had compiled."""
    compiled: int = 0
    """Programs that were made or taken from the folder: one for each node, and again where a size is 1."""
    refused: dict[str, str] = field(default_factory=dict)
    """Nodes that run as they are, by task and name (`video-qa.vision`), with the reason in the compiler's words."""
    _here: threading.local = field(default_factory=threading.local, repr=False, compare=False)
    """Whether the run of this thread has compiled something."""

    def __str__(self) -> str:
        refused = [f"\n  {node} is not fused: {reason}" for node, reason in self.refused.items()]
        return (
            f"fusing {self.compiled} programs took {self.seconds:.1f} s; the next process finds them in {self.folder}"
            + "".join(refused)
        )

    def around(self, plan: Plan, kinds: Mapping[str, Kind]) -> Callable[[Step, Function], Function]:
        """What runs a step of a plan, given its function: the same, or the fused one where the step owns weights."""

        def chosen(step: Step, function: Function) -> Function:
            if not _is_fusible(plan, step, kinds):
                return function
            name = f"{plan.task.name}.{step.name}"
            return CapturedNode(name, self._fused(plan, step, function, kinds, name))

        return chosen

    def _fused(
        self, plan: Plan, step: Step, function: Function, kinds: Mapping[str, Kind], name: str
    ) -> Function:
        opened = {
            port: (_open_axes(plan, source, kinds), isinstance(source, tuple))
            for port, source in step.sources.items()
        }
        compiled = torch.compile(_with_own_code(function), backend=self._backend, fullgraph=True)

        def run(**values: Any) -> Any:
            if name in self.refused:
                return function(**values)
            for port, (axes, is_list) in opened.items():
                _mark(values[port] if is_list else (values[port],), axes)
            try:
                return self._timed(compiled, values)
            except Exception as error:  # the compiler is foreign code, and raises many kinds of errors
                result = function(**values)  # what is the node's own fault is raised here
                self.refused[name] = _reason(error)
                LOG.warning("node `%s` is not fused, and runs as it is: %s", name, self.refused[name])
                return result

        return run

    def _timed(self, compiled: Function, values: Mapping[str, Any]) -> Any:
        """Run, and count the time where that has to compile first."""
        self._here.compiled = False
        began = time.perf_counter()
        try:
            return compiled(**values)
        finally:
            if self._here.compiled:
                self.seconds += time.perf_counter() - began

    def _backend(self, graph: fx.GraphModule, examples: Sequence[Any]) -> Any:
        """Called by torch for each graph, one at a time."""
        self._here.compiled = True
        with _cached_in(self.folder), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # hints to whoever tunes kernels, and to those who wrote them
            from torch._inductor.compile_fx import compile_fx

            made = compile_fx(graph, examples)
        self.compiled += 1
        return made


def fusing_in(folder: str | Path) -> Fusing:
    """A fusing that keeps what it makes in a folder, made where it is missing. Raises InputError where it cannot be."""
    if not str(folder):
        raise InputError("what is fused is kept in a folder, and its name is empty: name one")
    path = Path(folder).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"what is fused cannot be kept in {folder}: {reason}; name another folder") from None
    return Fusing(path)


def _is_fusible(plan: Plan, step: Step, kinds: Mapping[str, Kind]) -> bool:
    """Whether a step is of an encode stage, calls a declared module and is about tensors alone."""
    encoding = {each.name for stage in plan.stages if stage.kind == "encode" for each in stage.steps}
    method = step.node.module.type.methods.get(step.node.method)
    if step.name not in encoding or step.node.is_in_place or method is None or method.not_exportable:
        return False
    ports = {**step.node.signature.inputs, **step.node.signature.outputs}
    found = [kinds[port.type.kind] for port in ports.values()]
    return not any(part.dtype == "object" for kind in found for part in kind.fields.values())


def _with_own_code(function: Function) -> Function:
    """A function with a limit of its own: torch counts what it compiled by the code that ran, and allows few."""

    def node(**values: Any) -> Any:
        return function(**values)

    node.__code__ = node.__code__.replace(co_name="node")  # a copy
    return node


def _open_axes(
    plan: Plan, source: int | tuple[int, ...], kinds: Mapping[str, Kind]
) -> tuple[tuple[_Open, ...], ...]:
    """Of every value that a port reads, the axes that differ between requests."""
    return tuple(tuple(_of_slot(plan, slot, kinds)) for slot in _listed(source))


def _of_slot(plan: Plan, slot: int, kinds: Mapping[str, Kind]) -> Iterator[_Open]:
    type_ = plan.type_of(slot)
    for part, tensor in enumerate(kinds[type_.kind].fields.values()):
        for axis, position in enumerate(tensor.dims):
            dim = type_.dims[position]
            low, high = dim.bounds(plan.task.ranges)
            low = max(low, LEAST)
            if low < high and not any(symbol.lasting for symbol in dim.symbols):
                yield _Open(part, axis, low, high)


def _mark(values: Sequence[Any], axes: Sequence[Sequence[_Open]]) -> None:
    """Tell torch which axes of a port's values stay open."""
    for value, opened in zip(values, axes, strict=True):
        parts = _listed(value)
        for each in opened:
            tensor = parts[each.part]
            if isinstance(tensor, Tensor) and tensor.shape[each.axis] >= each.low:
                torch._dynamo.mark_dynamic(tensor, each.axis, min=each.low, max=each.high)


def _listed(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


_FOLDER = threading.RLock()


@contextlib.contextmanager
def _cached_in(folder: Path) -> Iterator[None]:
    """Meanwhile torch keeps what it compiles in a folder. It reads where from the environment of the process."""
    with _FOLDER:
        before = os.environ.get(CACHE)
        os.environ[CACHE] = str(folder)
        try:
            yield
        finally:
            if before is None:
                os.environ.pop(CACHE, None)
            else:
                os.environ[CACHE] = before


def _reason(error: Exception) -> str:
    """The first line of what a compiler says."""
    inner = getattr(error, "inner_exception", error)
    lines = [line.strip() for line in str(inner).splitlines() if line.strip()]
    return (lines[0] if lines else type(inner).__name__)[:LONGEST_REASON].rstrip(".")
