"""Building in a process of its own, with a double in the place of the library: nothing in it goes to an engine."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import composer_compile
import pytest
import torch
from composer_compile.backends.tensorrt import program_file
from composer_compile.backends.tensorrt.build_job import EngineJob
from composer_compile.backends.tensorrt.engine_build import BuildRecipe, exported_stage
from composer_compile.backends.tensorrt.engine_run import wired
from composer_compile.backends.tensorrt.tensorrt_library import TensorRTLibrary
from composer_compile.building.process import BuilderProcess
from composer_compile.errors import BackendError, CompileError
from composer_compile.options import BuildOptions
from composer_compile.scratch import Scratch
from composer_compile.tensors.specs import ProgramSpec, TensorSpec
from composer_compile.tensors.variants import variants_of
from engines import CPU, RTX
from torch import Tensor, nn

from composer.graph import Range
from composer.types import Dim

OPERATION = """
import torch

@torch.library.custom_op("thirds::third", mutates_args=())
def third(values: torch.Tensor) -> torch.Tensor:
    return values / 3

third.register_fake(torch.empty_like)
"""
THIRDS = """
from torch import nn, ops

class Thirds(nn.Module):
    def forward(self, *tensors):
        return (ops.thirds.third(*tensors),)
"""
COMPILE = "def compile(exported, arg_inputs, **wanted):\n    "
STOOD = r"in \S*torch_tensorrt/dynamo/__init__\.py, line \d+, compile"
WORKS = f"{COMPILE}print('building')\n    return exported.module()\n"


@pytest.fixture
def double(
    has: Callable[[TensorRTLibrary], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], None]:
    """Writes what stands in the place of the library: its code, and that of its compiler."""
    package = tmp_path / "double" / "torch_tensorrt"
    (package / "dynamo" / "partitioning").mkdir(parents=True)
    (package / "dynamo" / "partitioning" / "common.py").write_text("extract_var_range_info = None\n")
    (package / "dynamo" / "lowering").mkdir()
    groups = package / "dynamo" / "lowering" / "_decomposition_groups.py"
    groups.write_text("TORCH_TRT_DECOMPOSITIONS = {}\n")
    has(RTX)
    monkeypatch.syspath_prepend(package.parent)

    def write(code: str, compiler: str) -> None:
        (package / "__init__.py").write_text(
            f"class Input:\n    def __init__(self, **shapes): ...\n{code}\n", encoding="utf-8"
        )
        (package / "dynamo" / "__init__.py").write_text(compiler, encoding="utf-8")
        for cached in package.rglob("*.pyc"):
            cached.unlink()

    return write


class Turning(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.turn = nn.Linear(4, 4)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        (states,) = tensors
        turned = self.turn(states)
        return turned.cumsum(1), turned.clone(), turned


def stage() -> ProgramSpec:
    dims = (Dim.of("batch"), Dim.of("length"), Dim(4))
    given = TensorSpec("states", "float32", dims)
    ranges = {"batch": Range(2, 5, 3), "length": Range(2, 9, 4)}
    return ProgramSpec("encode", Turning().eval(), (given,), (given,) * 3, ranges, ("some", "nodes"))


def built(builder: BuilderProcess, spec: ProgramSpec) -> Any:
    recipe = BuildRecipe(targets=(), keep=(), require_full=False, memory_limit=None, timing_cache=None)
    variant = variants_of(spec.ranges)[-1]
    exported, shared = exported_stage(spec, variant, recipe)
    assert shared == {}  # all are small
    with Scratch("test") as folder:
        job = EngineJob.of(
            folder, exported, spec, variant, recipe, CPU, made_with={}, targets=("8.9",), graphs=False
        )
        builder.do(job)
        return job.found()


def test_a_program_comes_back_with_its_weights(
    double: Callable[[str, str], None], capfd: pytest.CaptureFixture[str]
) -> None:
    double("import os; os.write(1, b'loud'); os.write(2, b'loud')", WORKS)
    spec = stage()
    content, packed, weights = built(BuilderProcess(), spec)
    assert program_file.unpack(content) == packed
    assert packed.program.left == [
        "aten.linear.default x 1 (in nodes, some)",
        "aten.cumsum.default x 1 (in nodes, some)",
    ]
    run = wired(
        packed, [weights[key] for key in packed.program.weights], CPU, lambda step, data, fixed: print
    )
    states = torch.randn(3, 7, 4)
    with torch.no_grad():
        for ours, theirs in zip(run(states), spec.module(states), strict=True):
            torch.testing.assert_close(ours, theirs)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        ("os.abort()", rf"\(SIGABRT {STOOD}\)$"),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in (
                ("import warnings; warnings.warn('old'); os.abort()", rf"\(SIGABRT {STOOD}\)$"),
                (
                    "os.write(2, b'W1126 19:59:22.119000 20122 torch/x.py:7] old\\n'); os.abort()",
                    rf"\(SIGABRT {STOOD}\)$",
                ),
                ("os.kill(os.getpid(), 11)", rf"\(SIGSEGV {STOOD}\)$"),
                ("os.write(1, b'heating\\n'); os.kill(os.getpid(), 11)", rf"\(SIGSEGV {STOOD}: heating\)$"),
                ("os.kill(os.getpid(), 9)", r"\(SIGKILL\)$"),
                ("os.write(2, b'out of memory\\n'); os._exit(3)", r"\(exit code 3: out of memory\)$"),
            )
        ),
    ],
)
def test_a_builder_that_ends_its_process_is_one_sentence(
    double: Callable[[str, str], None], ending: str, message: str
) -> None:
    """And the next build has a process again."""
    double("import os; os.write(2, b'WARNING: no device\\n')", f"import os\n{COMPILE}{ending}\n")
    builder, spec = BuilderProcess(), stage()
    for _ in range(2):
        with pytest.raises(CompileError, match=f"^stage encode cannot be built: .* ended .*{message}"):
            built(builder, spec)
    double("", WORKS)
    assert built(builder, spec)


@pytest.mark.parametrize(
    ("code", "compiler", "kind", "message"),
    [
        ("", f"{COMPILE}raise ValueError('too wide')\n", CompileError, "by Torch-TensorRT .too wide"),
        (
            "",
            f"{COMPILE}pass\n",
            CompileError,
            "by Torch-TensorRT .'NoneType' object has no attribute 'graph'",
        ),
        ("raise OSError('no libnvinfer')", "", BackendError, "cannot be imported: no libnvinfer"),
    ],
)
def test_errors_come_back(
    double: Callable[[str, str], None], code: str, compiler: str, kind: type[Exception], message: str
) -> None:
    double(code, compiler)
    with pytest.raises(kind, match=message):
        built(BuilderProcess(), stage())


def test_nothing_is_left_of_a_command_whose_builder_crashes(
    small: Any, tmp_path: Path, double: Callable[[str, str], None]
) -> None:
    double("import os; os.abort()", "")
    options = composer_compile.Options(backend="tensorrt", build=BuildOptions(targets=("rtx4090",)))
    target = tmp_path / "dist" / "out"
    target.parent.mkdir()
    with pytest.raises(CompileError, match=r"stage encode cannot be built: .*\(SIGABRT in .*\)"):
        composer_compile.compile_document(
            small.document, target, tasks=["classify"], weights=small.weights, options=options
        )
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("imported", [True, False])
def test_an_operation_of_a_plugin_is_known_to_the_process_that_builds(
    double: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imported: bool
) -> None:
    """Where the file that defines the module registers it; otherwise the message says so."""
    double("", WORKS)
    (tmp_path / "thirds_operation.py").write_text(OPERATION)
    (tmp_path / "thirds.py").write_text(("import thirds_operation\n" if imported else "") + THIRDS)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("thirds_operation")
    monkeypatch.delitem(sys.modules, "thirds", raising=False)
    spec = replace(stage(), module=importlib.import_module("thirds").Thirds(), outputs=stage().outputs[:1])
    if not imported:
        with pytest.raises(
            CompileError, match=r"nothing registers the operation thirds::third .* thirds: let"
        ):
            built(BuilderProcess(), spec)
        return
    _, packed, _ = built(BuilderProcess(), spec)
    assert packed.program.left == ["thirds.third.default x 1 (in nodes, some)"]
    states = torch.randn(3, 7, 4)
    (found,) = wired(packed, [], CPU, lambda step, data, fixed: print)(states)
    torch.testing.assert_close(found, states / 3)


def test_code_that_cannot_be_imported_where_it_is_built_is_named(
    double: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    double("", WORKS)
    (tmp_path / "vanished.py").write_text(THIRDS.replace("ops.thirds.third(*tensors)", "tensors[0] / 3"))
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("vanished").Thirds()
    (tmp_path / "vanished.py").write_text("raise OSError('no licence')\n")
    with pytest.raises(CompileError, match=r"^stage encode .*: vanished, .* cannot be imported .*no licence"):
        built(BuilderProcess(), replace(stage(), module=module, outputs=stage().outputs[:1]))
