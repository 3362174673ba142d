"""AOTInductor libraries: weights outside, the same results, and no use on another machine."""

from __future__ import annotations

import os
import shutil
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


class Wide(nn.Module):
    """A large linear map, one by a weight that is computed, as with an adapter of a tied table, and a small one."""

    def __init__(self) -> None:
        super().__init__()
        self.large, self.small = nn.Linear(512, 1024), nn.Linear(1024, 2, bias=False)
        self.tuned = nn.Parameter(torch.randn(1024, 1024) * 0.02)

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        (states,) = tensors
        wide = nn.functional.linear(self.large(states).tanh(), self.tuned * 2)
        return (self.small(wide),)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
@pytest.mark.skipif(not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch has no oneDNN")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("faster", "places", "kernel"),
    [(True, 9, "_linear_pointwise"), (True, 1, "bmm_out"), (False, 9, "addmm_out")],
    ids=["many rows", "a few rows", "another processor"],
)
def test_large_linear_maps_run_as_a_live_model_runs_them(
    faster: bool, places: int, kernel: str, tmp_path: Path
) -> None:
    """One library for one sample and for several."""
    torch.manual_seed(0)
    batch = Dim.of("batch")
    given = TensorSpec("states", "float32", (batch, Dim(places), Dim(512)))
    result = TensorSpec("scores", "float32", (batch, Dim(places), Dim(2)))
    spec = ProgramSpec("encode", Wide().eval(), (given,), (result,), {"batch": Range(1, 4, 2)}, ("scores",))
    (variant,) = variants_of(spec.ranges)
    store, builder = WeightStore({}), InductorBuilder()
    with mock.patch("composer.execution.linear.onednn_is_faster", return_value=faster):
        compiled = builder.compile(spec, variant, store, BuildOptions())
    path = tmp_path / "program.pt2"
    path.write_bytes(compiled.content)
    with zipfile.ZipFile(path) as archive:
        library = archive.read(next(name for name in archive.namelist() if name.endswith(".so")))
        kernels = ("_linear_pointwise", "bmm_out", "addmm_out")
        assert [each for each in kernels if f"cpu_{each}".encode() in library] == [kernel]
    weights = [store.tensor(str(key)) for key in compiled.weights]
    run = InductorLoader().load(lambda: path, memoryview(compiled.content), weights, torch.device("cpu"))
    with torch.no_grad():
        for count in (1, 3):
            states = torch.randn(count, places, 512)
            torch.testing.assert_close(run(states)[0], spec.module(states)[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("key", ["torch", "device", "processor", "instructions"])
def test_a_library_of_another_machine_is_refused(key: str) -> None:
    builder = InductorBuilder()
    here = builder.made_with(torch.device("cpu"), BuildOptions())
    assert InductorLoader().mismatch(here, torch.device("cpu")) is None
    reason = InductorLoader().mismatch({**here, key: "9.9.9"}, torch.device("cpu"))
    assert reason is not None
    assert "9.9.9" in reason
