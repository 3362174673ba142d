"""A whole model at toy sizes, written once per session: its document, its vocabulary and its weights in one folder."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

# What torch built for the backend inductor is kept from test to test; an own folder leaves users' caches alone.
os.environ.setdefault(
    "TORCHINDUCTOR_CACHE_DIR", os.path.join(tempfile.gettempdir(), "composer-tests-inductor")
)

# `nohup` has it ignored, which commands that tests start would take over: they are to end by it.
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

TINY = Path(__file__).with_name("tiny")
SEPARATOR = 102
MEDIA = Path(__file__).parents[1] / "examples" / "media"


@dataclass(frozen=True)
class Tiny:
    """Paths of the tiny model and of a picture and a clip to give to it."""

    document: Path
    weights: Path
    picture: Path = MEDIA / "cat.jpg"
    clip: Path = MEDIA / "cyclist.mp4"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Seeded weights, large enough that inputs change the answers; texts end early, at different lengths."""
    import torch

    import composer
    from composer.weights import save_weights

    folder = tmp_path_factory.mktemp("tiny")
    for name in ("tiny.yaml", "vocabulary.txt"):
        shutil.copy(TINY / name, folder)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(4)
        model = composer.load(folder / "tiny.yaml", weights="initial")
        for module in model.modules.values():
            for parameter in module.parameters():
                if parameter.ndim > 1:
                    parameter.copy_(torch.randn(parameter.shape))
        model.modules["decoder"].get_parameter("head.bias")[SEPARATOR] += 8.0
    save_weights(model.modules, folder / "tiny.safetensors")
    return Tiny(folder / "tiny.yaml", folder / "tiny.safetensors")
