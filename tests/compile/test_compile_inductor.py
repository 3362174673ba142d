"""AOTInductor libraries: weights outside, the same results, and no use on another machine."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import composer_compile
import pytest
import torch
from composer_compile.backends.inductor import InductorBackend
from composer_compile.errors import ArtifactError
from composer_compile.seam import BuildOptions


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
            InductorBackend().load(lambda: path, memoryview(path.read_bytes()), [], torch.device("cpu"))


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


@pytest.mark.parametrize("key", ["torch", "device", "processor", "instructions"])
def test_a_library_of_another_machine_is_refused(key: str) -> None:
    backend = InductorBackend()
    here = backend.made_with(torch.device("cpu"), BuildOptions())
    assert backend.mismatch(here, torch.device("cpu")) is None
    reason = backend.mismatch({**here, key: "9.9.9"}, torch.device("cpu"))
    assert reason is not None
    assert "9.9.9" in reason
