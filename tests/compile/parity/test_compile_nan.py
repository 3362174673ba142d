"""NaN and infinities are misses: a model that gives NaN is not accepted, and verifying says so, too."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import composer_compile
import pytest
import torch
from composer_compile.artifact.manifest_file import read_manifest
from composer_compile.errors import CompileError
from composer_compile.parity.records import verify_samples
from safetensors.torch import load_file, save_file

from composer.cli import main


@pytest.fixture
def spoilt(small: Any, tmp_path: Path) -> Path:
    """Weights that are finite, and so large that every answer of `classify` is a sum of both infinities."""
    tensors = load_file(small.weights)
    tensors["classes.map.weight"] = torch.full_like(tensors["classes.map.weight"], 3e38)
    save_file(tensors, tmp_path / "spoilt.safetensors")
    return tmp_path / "spoilt.safetensors"


def test_a_model_that_gives_only_nan_is_not_accepted(small: Any, spoilt: Path, tmp_path: Path) -> None:
    with pytest.raises(CompileError, match=r"scores holds NaN.*`scores` \(.*small\.yaml:"):
        composer_compile.compile_document(
            small.document, tmp_path / "out", tasks=["classify"], weights=spoilt
        )
    assert not (tmp_path / "out").exists()


def test_accepted_drift_says_so_in_valid_json(
    small: Any, spoilt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out"
    command = ["compile", f"{small.document}:classify", "--weights", str(spoilt), "--out", str(target)]
    assert main([*command, "--accept-drift"]) == 0
    assert "BEYOND THE TOLERANCE" in capsys.readouterr().out
    manifest = read_manifest((target / "manifest.json").read_bytes(), "it")
    assert not manifest.parity["classify"].passed
    for name in ("inspect", "verify"):
        code = main([name, str(target), "--json"])
        printed = capsys.readouterr().out
        json.loads(printed, parse_constant=pytest.fail)
        assert code == (1 if name == "verify" else 0)  # NaN is the same as NaN nowhere


def test_a_recorded_infinity_is_missed_by_verify(
    small: Any, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with composer_compile.load(copied) as artifact:
        samples = artifact.samples()
        key = next(name for name in samples if name.startswith("classify out scores"))
        for value in (math.inf, math.nan):
            changed = samples[key].clone()
            changed.view(-1)[0] = value
            monkeypatch.setattr(artifact, "samples", {**samples, key: changed}.copy)
            verified = {each.task: each.passed for each in verify_samples(artifact)}
            assert verified == {"video-qa": True, "caption": True, "classify": False}


@pytest.mark.parametrize("tolerance", [math.nan, math.inf, -1.0])
def test_a_tolerance_that_accepts_nothing_or_all_is_refused(
    small: Any, tmp_path: Path, tolerance: float
) -> None:
    options = composer_compile.Options(tolerance=tolerance)
    with pytest.raises(CompileError, match=r"write a number that is not negative"):
        composer_compile.compile_document(
            small.document, tmp_path / "out", tasks=["classify"], weights=small.weights, options=options
        )


def test_the_live_model_gives_the_same_nan(small: Any, spoilt: Path) -> None:
    """So that the tests above are of NaN that compiled and live program agree about."""
    from composer.execution import load

    scores = load(small.document, weights=spoilt).run("classify", question="what")["scores"]
    assert torch.as_tensor(scores).isnan().all()
