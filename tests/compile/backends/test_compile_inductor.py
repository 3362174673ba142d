"""AOTInductor libraries: weights outside, the same results, and no use on another machine."""

from __future__ import annotations

import os
import shutil
import weakref
import zipfile
from pathlib import Path
from typing import Any
from unittest import mock

import composer_compile
import pytest
import torch
from composer_compile.artifact.weight_store import WeightStore
from composer_compile.backends.inductor_builder import InductorBuilder
from composer_compile.backends.inductor_loader import InductorLoader
from composer_compile.errors import ArtifactError
from composer_compile.options import BuildOptions
from composer_compile.tensors.specs import ProgramSpec, TensorSpec
from composer_compile.tensors.variants import variants_of
from operators import Operators
from torch import nn

from composer.graph import Range
from composer.types import Dim


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
@pytest.mark.filterwarnings("ignore")
def test_a_round_trip(small: Any, tmp_path: Path) -> None:
    options = composer_compile.Options(backend="inductor", ranges={"batch": "2..4"})
    manifest = composer_compile.compile_document(
        small.document, tmp_path / "out", tasks=["classify"], weights=small.weights, options=options
    )
    assert manifest.backend.made_with["device"] == "cpu"
    raw = {"question": ["what is it", "red", "a b"]}
    with composer_compile.load(tmp_path / "out") as artifact:
        torch.testing.assert_close(
            artifact.run(**raw)["scores"], small.model.run("classify", **raw)["scores"], rtol=1e-4, atol=1e-4
        )
        program = artifact.manifest.tasks["classify"].order[0].programs[0]  # type: ignore[union-attr]
        path = tmp_path / "out" / program.file
        with pytest.raises(ArtifactError, match=r"reads \d+ weights"):
            InductorLoader().load(lambda: path, memoryview(path.read_bytes()), [], torch.device("cpu"))
    kept = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"], "precompiled_headers")
    assert list(kept.glob("*.h")), "the folder that is named keeps the headers for later commands"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
@pytest.mark.filterwarnings("ignore")
def test_a_beam_search_over_several_samples(small: Any, clip: Any, tmp_path: Path) -> None:
    """The first parents are one row for all samples, and keys and values are transposed: not as a library expects."""
    options = composer_compile.Options(
        backend="inductor", ranges={"batch": "2..3", "question.length": "2..8"}
    )
    composer_compile.compile_document(
        small.document, tmp_path / "out", tasks=["video-qa"], weights=small.weights, options=options
    )
    raw = {"video": [clip(0), clip(1)], "question": ["what is it", "red"]}
    with composer_compile.load(tmp_path / "out") as artifact:
        assert artifact.run(**raw) == small.model.run("video-qa", **raw)
        task = artifact.task()
        with torch.inference_mode():
            values = task.values(*task.requests.read(raw)[:2])
        tensors = [each for each in values.values() if isinstance(each, torch.Tensor)]
        assert len(tensors) > 5
        assert all(each.is_contiguous() for each in tensors)  # nothing is left for every step to copy


PACKING = "mkldnn._reorder_linear_weight.default"


class Wide(nn.Module):
    """A table that looks up words and scores them, and a map by a weight that is computed, as with an adapter."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(1024, 512)
        self.head = nn.Linear(512, 1024, bias=False)
        self.head.weight = self.words.weight
        self.tuned = nn.Parameter(torch.randn(512, 512) * 0.02)
        self.large, self.small = nn.Linear(512, 512), nn.Linear(1024, 2)
        self.fixed: torch.Tensor
        self.register_buffer("fixed", torch.randn(512, 512) * 0.02, persistent=False)

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        (words,) = tensors
        states = nn.functional.linear(self.large(self.words(words)).tanh(), self.tuned * 2)
        states = nn.functional.linear(states, self.fixed) + states
        return (self.small(self.head(states)),)


def wide_library(tmp_path: Path, places: int) -> tuple[ProgramSpec, Path, list[torch.Tensor]]:
    """The stage, its library for one sample and for several, and the weights that it takes."""
    torch.manual_seed(0)
    batch = Dim.of("batch")
    given = TensorSpec("words", "int64", (batch, Dim(places)))
    result = TensorSpec("scores", "float32", (batch, Dim(places), Dim(2)))
    spec = ProgramSpec("encode", Wide().eval(), (given,), (result,), {"batch": Range(1, 4, 2)}, ("scores",))
    (variant,) = variants_of(spec.ranges)
    store = WeightStore({})
    compiled = InductorBuilder().compile(spec, variant, store, BuildOptions())
    path = tmp_path / "program.pt2"
    path.write_bytes(compiled.content)
    return spec, path, [store.tensor(str(key)) for key in compiled.weights]


def loaded(loader: InductorLoader, path: Path, weights: list[torch.Tensor]) -> Any:
    return loader.load(lambda: path, memoryview(path.read_bytes()), weights, torch.device("cpu"))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
@pytest.mark.skipif(not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch has no oneDNN")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("places", [9, 1], ids=["many rows", "a few rows"])
@pytest.mark.parametrize("faster", [True, False], ids=["such a processor", "another one"])
def test_large_linear_maps_read_weights_that_are_packed_when_they_are_loaded(
    faster: bool, places: int, tmp_path: Path
) -> None:
    with mock.patch("composer.execution.linear.onednn_is_faster", return_value=faster):
        spec, path, weights = wide_library(tmp_path, places)
    with zipfile.ZipFile(path) as archive:
        library = archive.read(next(name for name in archive.namelist() if name.endswith(".so")))
    assert (b"cpu__linear_pointwise" in library) is faster
    assert len({each.data_ptr() for each in weights}) == len(weights) - (
        1 if faster else 0
    )  # the table twice
    loader = InductorLoader()
    with Operators() as operators:
        loaded(loader, path, weights)  # what is packed for it goes with it
        assert operators.seen.count(PACKING) == (3 if faster else 0)
        run, other = loaded(loader, path, weights), loaded(loader, path, weights)
        assert operators.seen.count(PACKING) == (6 if faster else 0), "programs share what is packed"
    assert run is not other
    with torch.no_grad():
        for count in (1, 3):
            words = torch.randint(1024, (count, places))
            torch.testing.assert_close(run(words)[0], spec.module(words)[0], rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
@pytest.mark.skipif(not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch has no oneDNN")
@pytest.mark.filterwarnings("ignore")
def test_a_weight_that_cannot_be_packed_is_refused(tmp_path: Path) -> None:
    with mock.patch("composer.execution.linear.onednn_is_faster", return_value=True):
        _, path, weights = wide_library(tmp_path, 1)
    wrong = [each.flatten() for each in weights]
    with pytest.raises(ArtifactError, match="reads a weight of other sizes than its manifest entry gives"):
        loaded(InductorLoader(), path, wrong)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("inference", [True, False])
def test_a_library_that_goes_keeps_no_weight(inference: bool, tmp_path: Path) -> None:
    """Torch keeps every tensor that it is given as one that the caller manages."""
    _, path, weights = wide_library(tmp_path, 1)
    with torch.inference_mode(inference):
        arrays = [each.detach().numpy().copy() for each in weights]
        run = loaded(InductorLoader(), path, [torch.from_numpy(each) for each in arrays])
        run(torch.zeros(2, 1, dtype=torch.int64))
        alive = [weakref.ref(each) for each in arrays]
        del arrays
        assert all(each() is not None for each in alive)
        del run
    assert not any(each() is not None for each in alive)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
@pytest.mark.filterwarnings("ignore")
def test_nothing_is_compiled_to_load_a_library(tmp_path: Path) -> None:
    """Torch would try the compiler for the instructions of this processor, for seconds in each new process."""
    _, path, weights = wide_library(tmp_path, 1)
    with mock.patch("torch._inductor.cpu_vec_isa.VecISA.check_build", side_effect=AssertionError):
        loaded(InductorLoader(), path, weights)


class OnePlace(nn.Module):
    """What is kept of a text of one token: there is no place for a second one."""

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        past, length, token = tensors
        return (past.index_copy(1, length, token),)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
@pytest.mark.filterwarnings("ignore")
def test_a_step_for_the_only_token_is_built() -> None:
    batch, wide = Dim.of("batch"), Dim(2048)
    inputs = (
        TensorSpec("past", "float32", (batch, Dim(1), wide)),
        TensorSpec("length", "int64", (Dim(1),)),
        TensorSpec("token", "float32", (batch, Dim(1), wide)),
    )
    result = TensorSpec("kept", "float32", (batch, Dim(1), wide))
    spec = ProgramSpec("decode", OnePlace().eval(), inputs, (result,), {"batch": Range(1, 4, 2)}, ("kept",))
    (variant,) = variants_of(spec.ranges)
    assert InductorBuilder().compile(spec, variant, WeightStore({}), BuildOptions()).content


@pytest.mark.parametrize("key", ["torch", "device", "processor", "instructions"])
def test_a_library_of_another_machine_is_refused(key: str) -> None:
    builder = InductorBuilder()
    here = builder.made_with(torch.device("cpu"), BuildOptions())
    assert InductorLoader().mismatch(here, torch.device("cpu")) is None
    reason = InductorLoader().mismatch({**here, key: "9.9.9"}, torch.device("cpu"))
    assert reason is not None
    assert "9.9.9" in reason
