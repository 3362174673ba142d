"""On a GPU: artifacts of every backend that builds for the device at hand, over a batch of one and of two."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here"),
]
DEVICE = "cuda"
RANGES = ("--range", "batch=1..4, best 2", "--range", "answers.batch=3..4")
EXPORT = pytest.param(["--backend", "export"], id="export")
INDUCTOR = pytest.param(
    ["--backend", "inductor"],
    marks=pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler"),
    id="inductor",
)
TENSORRT = pytest.param(
    ["--backend", "tensorrt"],
    marks=pytest.mark.skipif(find_spec("torch_tensorrt") is None, reason="Torch-TensorRT is not installed"),
    id="tensorrt",
)


def composer(*arguments: str) -> str:
    """A command in a process of its own, since such libraries change torch; what it prints."""
    code = f"import sys\nfrom composer.cli import main\nsys.exit(main({list(arguments)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("backend", [INDUCTOR, TENSORRT])
def test_an_artifact_for_this_device_answers_as_the_live_model(
    backend: Sequence[str], tiny: Any, tmp_path: Path
) -> None:
    """Compiling compares every program with the live model at every corner; here are the answers besides."""
    document, out = str(tiny.document), str(tmp_path / "out")
    tasks = [f"{document}:video-qa", "image-caption", "image-qa-rank"]
    weights = ["--weights", str(tiny.weights)]
    composer("compile", *tasks, *backend, *weights, *RANGES, "--device", DEVICE, "--out", out)
    assert "DIFFERS" not in composer("verify", out, "--device", DEVICE)
    clip, picture = f"video={tiny.clip}", f"image={tiny.picture}"
    for task, raw in {
        "video-qa": [clip, "question=a b"],
        "image-caption": [picture],
        "image-qa-rank": [picture, "question=a", "answers=a b", "answers=c d", "answers=e"],
    }.items():
        ours = json.loads(composer("run", f"{out}:{task}", "--device", DEVICE, "--json", *raw))
        theirs = json.loads(composer("run", f"{document}:{task}", *weights, "--json", *raw))
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            assert ours[name] == (
                value if isinstance(value, str) else pytest.approx(value, rel=1e-3, abs=1e-4)
            )


@pytest.mark.parametrize("backend", [EXPORT, INDUCTOR, TENSORRT])
def test_a_turn_of_a_search_is_one_graph(backend: Sequence[str], tiny: Any, tmp_path: Path) -> None:
    """The log says nothing of a turn that runs as it is."""
    out, picture = str(tmp_path / "out"), f"image={tiny.picture}"
    built = ["--weights", str(tiny.weights), "--range", "batch=1", "--device", DEVICE, "--out", out]
    composer("compile", f"{tiny.document}:image-caption", *backend, *built)
    code = (
        "import logging, sys\nlogging.basicConfig(level='INFO')\nfrom composer.cli import main\n"
        f"sys.exit(main({['run', out, '--device', DEVICE, picture]!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [line for line in done.stderr.splitlines() if "as it is" in line] == []


@pytest.mark.parametrize("backend", [TENSORRT])
def test_a_step_of_a_search_gives_the_same_with_and_without_cuda_graphs(
    backend: Sequence[str], tiny: Any, tmp_path: Path
) -> None:
    raw = [f"image={tiny.picture}", f"image={tiny.picture}"]
    found = []
    for more in ([], ["--no-cuda-graphs"]):
        out = str(tmp_path / f"out{len(more)}")
        composer(
            "compile",
            f"{tiny.document}:image-caption",
            *backend,
            *more,
            "--weights",
            str(tiny.weights),
            "--range",
            "batch=1..4",
            "--device",
            DEVICE,
            "--out",
            out,
        )
        found.append(json.loads(composer("run", out, "--device", DEVICE, "--json", *raw)))
    assert found[0]["caption"] == found[1]["caption"]
