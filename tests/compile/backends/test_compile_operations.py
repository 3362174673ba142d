"""Operations of torch that a plugin's own code registers: known where it is imported, and named where it is not."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import composer_compile
import pytest
from composer_compile import BuildOptions, Options
from composer_compile.artifact.manifest import StageEntry
from composer_compile.artifact.manifest_file import read_manifest
from composer_compile.backends.tensorrt.program_file import unpack
from composer_compile.errors import ArtifactError

from composer.plugin import Registry, load_registry

DOCUMENT = """\
composer: 1
name: halved
modules:
  half: {uses: halving.half}
tasks:
  halve:
    inputs:
      vectors: {modality: array, with: {kind: embedding, dims: [B, 4]}}
    nodes:
      halves: {call: half, inputs: {embedding: vectors.embedding}}
    outputs: {halves: halves.embedding}
    compile: {ranges: {batch: "1..1"}}
"""

DECLARATION = """\
from composer.plugin import Method, ModuleType, NoConfig, hookimpl
from composer.types import Signature


def signature(config):
    return Signature({"embedding": "embedding[B, 4]"}, {"embedding": "embedding[B, 4]"})


@hookimpl
def composer_register(register):
    methods = {"forward": Method(signature)}
    register(ModuleType("halving.half", NoConfig, methods, "halving_parts:build", "Halves vectors."))
"""

PARTS = """\
import time

import torch
from torch import Tensor, nn


@torch.library.custom_op("halving::half", mutates_args=())
def half(values: Tensor) -> Tensor:
    time.sleep(0.001)  # another thread's turn
    return values / 2


@half.register_fake
def _(values: Tensor) -> Tensor:
    return torch.empty_like(values)


class Half(nn.Module):
    def forward(self, *, embedding: Tensor) -> Tensor:
        return half(embedding)


def build(config):
    return Half()
"""

UNKNOWN = (
    "needs the operation halving::half of the plugin `halving`, which belonged to no package: load the artifact with a "
    "registry that holds it"
)


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the plugin and a document; the plugin can be imported here and in what is started here."""
    folder = tmp_path_factory.mktemp("halving")
    for name, text in {"halving.py": DECLARATION, "halving_parts.py": PARTS, "halved.yaml": DOCUMENT}.items():
        (folder / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder


COMPILER = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")


@pytest.fixture(
    scope="module", params=["export", pytest.param("inductor", marks=[COMPILER, pytest.mark.slow])]
)
def artifact(plugin: Path, request: pytest.FixtureRequest) -> Path:
    target = plugin / request.param
    composer_compile.compile_document(
        plugin / "halved.yaml",
        target,
        weights="initial",
        registry=registry(),
        options=Options(backend=request.param),
    )
    return target


def registry() -> Registry:
    return load_registry([("halving", importlib.import_module("halving"))])


ONCE = "print(artifact.run('halve', vectors=numpy.ones(4, 'float32'))['halves'])"
SEVERAL = """\
from concurrent.futures import ThreadPoolExecutor
from functools import partial
with ThreadPoolExecutor(4) as pool:
    asked = [pool.submit(partial(artifact.run, 'halve', vectors=numpy.full(4, n, 'float32'))) for n in range(40)]
    print([float(each.result()['halves'][0]) for each in asked] == [n / 2 for n in range(40)])
"""


def run(artifact: Path, *before: str, code: str = ONCE) -> subprocess.CompletedProcess[str]:
    """Run an artifact in a process that has imported what `before` says and nothing else."""
    lines = [
        *before,
        "import numpy",
        "from composer_compile import load",
        f"artifact = load({str(artifact)!r})",
        code,
    ]
    return subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=False,
        cwd=artifact.parent,
        timeout=120,
    )


def test_an_artifact_runs_where_the_operation_is_registered(artifact: Path) -> None:
    done = run(artifact, "import halving_parts")
    assert done.returncode == 0, done.stderr
    assert "0.5" in done.stdout


def test_several_threads_call_an_operation_that_is_written_in_python(artifact: Path) -> None:
    """A library holds the interpreter while it waits for its turn, and the operation needs it to end its own."""
    done = run(artifact, "import halving_parts", code=SEVERAL)
    assert done.stdout.endswith("True\n"), done.stderr


def test_an_operation_that_nothing_registered_is_named_in_one_sentence(artifact: Path) -> None:
    done = run(artifact)
    *_, last = done.stderr.splitlines()
    assert done.returncode == 1
    assert last == f"{ArtifactError.__module__}.ArtifactError: {artifact} {UNKNOWN}"
    assert "deserializ" not in done.stderr


@pytest.mark.tensorrt
@pytest.mark.skipif(find_spec("torch_tensorrt") is None, reason="Torch-TensorRT is not installed")
def test_the_process_that_builds_engines_knows_it(plugin: Path) -> None:
    """It has no converter, so it stays with torch."""
    options = Options(backend="tensorrt", build=BuildOptions(targets=("rtx4090",)))
    target = plugin / "engines"
    composer_compile.compile_document(
        plugin / "halved.yaml", target, weights="initial", registry=registry(), options=options
    )
    manifest = read_manifest((target / "manifest.json").read_bytes(), "it")
    stage = manifest.tasks["halve"].order[0]
    assert isinstance(stage, StageEntry)
    (program,) = stage.programs
    told = unpack((target / program.file).read_bytes()).program.model_dump_json()
    assert "halving.half.default x 1 (in halves)" in told


def test_the_plugin_registers_it_where_a_registry_holds_it(artifact: Path) -> None:
    """Nothing but the plugin's entry module was imported before."""
    code = [
        "import halving, numpy, sys",
        "from composer.plugin import load_registry",
        "from composer_compile import load",
        "assert 'halving_parts' not in sys.modules",
        f"artifact = load({str(artifact)!r}, registry=load_registry([('halving', halving)]))",
        "print(artifact.run('halve', vectors=numpy.ones(4, 'float32'))['halves'])",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(code)],
        capture_output=True,
        text=True,
        check=False,
        cwd=artifact.parent,
    )
    assert done.returncode == 0, done.stderr
    assert "0.5" in done.stdout
