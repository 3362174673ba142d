"""The promises of a backend, for the conformance kit: the methods of its contract, a plan, and programs that answer."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Union

import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx
from typing_extensions import get_protocol_members

from composer.conformance.report import Failure, Skip
from composer.graph import Range
from composer.plugin import Backend
from composer.plugin.asking import ask, import_object
from composer.types import Dim
from composer.types.gaps import gap
from composer_compile.artifact.weight_store import WeightStore
from composer_compile.backends.contract import (
    Builder,
    BuildsBeside,
    ChecksStored,
    Compiled,
    HoldsWeights,
    JoinsSizes,
    LoadedProgram,
    Loader,
    Support,
)
from composer_compile.backends.registered import AskedBuilder, AskedLoader
from composer_compile.errors import BackendError, CompileError
from composer_compile.options import BuildOptions
from composer_compile.tensors.specs import ProgramSpec, TensorSpec
from composer_compile.tensors.variants import Variant, each_variant

__all__ = ["CHECKS"]

WIDTH, CLASSES = 4, 3
BATCHES = (1, 2, 5)
RELATIVE, ABSOLUTE = 1e-3, 1e-4
"""How far a program may be from its module: a backend has kernels of its own."""
OPTIONS = BuildOptions()
_Build = Callable[[ProgramSpec, Variant, WeightStore, BuildOptions], Union[Compiled, Callable[[], Compiled]]]


class _Tiny(nn.Module):
    """values[B, 4] → scores[B, 3]: one linear map, a buffer and what is no matrix product."""

    shift: Tensor

    def __init__(self, *, seed: int) -> None:
        super().__init__()
        self.map = nn.Linear(WIDTH, CLASSES)
        self.register_buffer("shift", torch.zeros(CLASSES))
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for tensor in (self.map.weight, self.map.bias, self.shift):
                tensor.copy_(torch.randn(tensor.shape, generator=generator))

    def forward(self, *tensors: Tensor) -> list[Tensor]:
        (values,) = tensors
        return [torch.tanh(self.map(values)) + self.shift]


def check_contract(backend: Backend) -> str:
    """Both halves have what the contract names, and take what they are called with."""
    for half, reference, whole, parts in (
        ("builder", backend.builder, Builder, (BuildsBeside, HoldsWeights, JoinsSizes)),
        ("loader", backend.loader, Loader, (ChecksStored,)),
    ):
        made = ask(import_object(reference, f"its {half}"), what=f"its {half}")
        _hold_members(made, whole, f"its {half}")
        for part in parts:
            if any(hasattr(made, name) for name in get_protocol_members(part)):
                _hold_members(made, part, f"its {half}")
    return ""


def _hold_members(made: object, contract: type, half: str) -> None:
    for name in sorted(get_protocol_members(contract)):
        if not hasattr(made, name):
            raise Failure(f"{half}, of the type {type(made).__name__}, has no `{name}`")
        found, declared = getattr(made, name), getattr(contract, name, None)
        if not inspect.isfunction(declared):
            if not isinstance(found, bool):
                raise Failure(f"`{name}` of {half} is {found!r:.60}; True or False is expected")
            continue
        if not callable(found):
            raise Failure(f"`{name}` of {half} is {found!r:.60}; a method is expected")
        parameters = list(inspect.signature(declared).parameters)[1:]
        _hold_call(found, name, parameters, half)


def _hold_call(method: Callable[..., object], name: str, parameters: Sequence[str], half: str) -> None:
    try:
        signature = inspect.signature(method)
    except (TypeError, ValueError):  # of something without one, such as a function of C
        return
    try:
        signature.bind(*parameters)
    except TypeError:
        raise Failure(
            f"`{name}` of {half} is written {name}{signature}; it is called {name}({', '.join(parameters)})"
        ) from None


def check_plan(backend: Backend) -> str:
    """For `--plan`: what becomes of every call in a graph."""
    builder = AskedBuilder(backend)
    with _reasons(), torch.no_grad():
        builder.check_options(OPTIONS, None)
        module = _Tiny(seed=0)
        made = make_fx(
            module,
            decomposition_table=dict(builder.decompositions()),
            tracing_mode="fake",
            _allow_non_fake_inputs=True,
        )
        graph = made(torch.zeros(2, WIDTH))
        support = builder.support(graph)
        calls = [node for node in graph.graph.nodes if node.op == "call_function"]
        lost = [str(node.target) for node in calls if not isinstance(support.get(node), Support)]
        if lost:
            raise Failure(f"its builder's `support` gives no Support for {lost[0]}, a call in a graph")
        weights = {node: torch.zeros(2) for node in graph.graph.nodes if node.op == "get_attr"}
        if not set(builder.stored_once(weights, OPTIONS)) <= set(weights):
            raise Failure(
                "its builder's `stored_once` gives what is not one of the weights that it was asked about"
            )
        builder.joins_sizes(OPTIONS)
    return ""


@contextmanager
def _reasons() -> Iterator[None]:
    """What a backend refuses in the project's own words: that it cannot work here is a reason to skip."""
    try:
        yield
    except BackendError as error:
        raise Skip(f"it cannot be tried here: {error}") from None
    except CompileError as error:
        raise Failure(f"it refuses a linear map: {error}") from None


def check_programs(backend: Backend) -> str:
    """Two tiny programs, compiled by one builder and run by one loader, give what their modules give."""
    builder, loader = AskedBuilder(backend), AskedLoader(backend)
    with _reasons():
        loader.check_installed()
        device = _device(builder)
        made_with = builder.made_with(device, OPTIONS)
        reason = loader.mismatch(made_with, device)
        if reason is not None:
            raise Failure(f"its loader refuses what its builder makes on the same machine: {reason}")
        try:
            _answer(builder, loader, device)
        finally:
            builder.abandon()
    return ""


def _answer(builder: AskedBuilder, loader: AskedLoader, device: torch.device) -> None:
    """Two programs, one of which may be built in another process, are compared once both are there."""
    modules = [_Tiny(seed=seed).to(device).eval() for seed in (1, 2)]
    builds: tuple[_Build, ...] = (builder.compile, builder.begin)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        programs = [
            _programs(build, loader, module, device, Path(folder) / str(number))
            for number, (module, build) in enumerate(zip(modules, builds, strict=True))
        ]
        for module, made in zip(modules, programs, strict=True):
            for batch in BATCHES:
                _compare(module, made, batch, device)


def _device(builder: AskedBuilder) -> torch.device:
    """Where it builds: the GPU at hand, or the CPU. Raises BackendError where it does on neither."""
    cpu = torch.device("cpu")
    if torch.cuda.is_available():
        gpu = torch.device("cuda", torch.cuda.current_device())
        try:
            builder.check_options(OPTIONS, gpu)
        except BackendError:
            pass
        else:
            return gpu
    builder.check_options(OPTIONS, cpu)
    return cpu


def _programs(
    build: _Build, loader: AskedLoader, module: nn.Module, device: torch.device, folder: Path
) -> list[tuple[Variant, LoadedProgram]]:
    batch = Dim.of("batch")
    spec = ProgramSpec(
        name="tiny",
        module=module,
        inputs=(TensorSpec("values", "float32", (batch, Dim(WIDTH))),),
        outputs=(TensorSpec("scores", "float32", (batch, Dim(CLASSES))),),
        ranges={"batch": Range(min(BATCHES), max(BATCHES), BATCHES[1])},
        nodes=("tiny",),
    )
    store = WeightStore({"tiny": module})
    compiled = each_variant(spec, lambda variant: (variant, _built(build(spec, variant, store, OPTIONS))))
    made = []
    for number, (variant, program) in enumerate(compiled):
        _hold_compiled(program)
        path = folder.with_name(f"{folder.name}-{number}{program.suffix}")
        path.write_bytes(program.content)
        content = memoryview(program.content)
        loader.check_stored(content)
        weights = [None if key is None else _stored(store, key) for key in program.weights]
        made.append((variant, loader.load(partial(_same, path), content, weights, device)))
    return made


def _built(found: Compiled | Callable[[], Compiled]) -> Compiled:
    return found if isinstance(found, Compiled) else found()


def _same(path: Path) -> Path:
    return path


def _hold_compiled(program: Compiled) -> None:
    if not isinstance(program.content, bytes) or not program.content:
        raise Failure(
            f"its builder's `compile` gives a content of {type(program.content).__name__}; bytes are expected"
        )
    if not isinstance(program.suffix, str) or not program.suffix.startswith("."):
        raise Failure(
            f"its builder's `compile` gives the suffix {program.suffix!r:.40}; one such as `.bin` is expected"
        )


def _stored(store: WeightStore, key: str) -> Tensor:
    try:
        return store.tensor(key)
    except KeyError:
        raise Failure(
            f"its builder's `compile` names the weight {key!r:.60}, which is not in the store"
        ) from None


def _compare(
    module: nn.Module, programs: Sequence[tuple[Variant, LoadedProgram]], batch: int, device: torch.device
) -> None:
    values = torch.randn(batch, WIDTH, generator=torch.Generator().manual_seed(batch)).to(device)
    given = values.clone()
    program = next((program for variant, program in programs if variant.holds({"batch": batch})), None)
    assert program is not None  # variants cover the range
    with torch.no_grad():
        (expected,) = module(values)
        results = ask(program, values, what=f"a loaded program, at batch {batch},")
    if not isinstance(results, (list, tuple)) or not all(isinstance(each, Tensor) for each in results):
        raise Failure(f"a loaded program gives a {type(results).__name__}; a sequence of tensors is expected")
    if len(results) != 1:
        raise Failure(f"a loaded program gives {len(results)} tensors for a module that gives one")
    found = gap(results[0], expected, absolute=ABSOLUTE, relative=RELATIVE)
    if found.verdict == "shape":
        raise Failure(
            f"at batch {batch} its program gives {list(results[0].shape)} and the module {list(expected.shape)}"
        )
    if not found.fine:
        raise Failure(f"at batch {batch} its program differs from the module by up to {found.absolute:.3g}")
    if not torch.equal(values, given):
        raise Failure("its program changes a tensor that it was given")


CHECKS: Mapping[str, Callable[[Backend], str]] = MappingProxyType(
    {"contract": check_contract, "plan": check_plan, "programs": check_programs}
)
