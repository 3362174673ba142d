"""A training step of video-qa beside the published code's, which this repository does not hold.

Two processes take turns, step by step, over the same weights and the same batch. COMPOSER_PUBLISHED_CODE names a
checkout of the published repository (X-PLUG/mPLUG-2), and COMPOSER_PUBLISHED_PACKAGES a folder with what it needs
beside torch, as installed by `pip install --no-deps --target`: transformers 4.30.2, tokenizers 0.13.3, huggingface_hub
0.16.4, timm 0.4.9, einops, ftfy, more_itertools and colorlog.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.by_hand import BASE, TINY
from benchmarks.measuring import Row

__all__ = ["measure"]

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
CODE, PACKAGES = "COMPOSER_PUBLISHED_CODE", "COMPOSER_PUBLISHED_PACKAGES"
WARM = 2
"""Steps before those that count."""
GIBIBYTE = 2**30
BASE_SIZES: dict[str, int] = {
    "image_size": 224, "patch_size": 16, "vision_width": 768, "vision_layers": 12, "hidden": 768, "heads": 12,
    "intermediate": 3072, "text_layers": 10, "universal_layers": 2, "fusion_layers": 3, "fusion_stack": 12,
    "decoder_layers": 12,
}  # fmt: skip
"""Of `mplug2-base`."""


def measure(*, quick: bool) -> list[Row]:
    """Ratios are medians over the turns, in time on the processor with one thread; memory is the most that was held."""
    if CODE not in os.environ:
        raise SystemExit(
            f"{CODE} names no checkout of the published code: see benchmarks/published/__init__.py"
        )
    settings, steps = ({**TINY, "latents": 50}, 3) if quick else (BASE, 5)
    with tempfile.TemporaryDirectory() as folder:
        theirs, ours = _turns(Path(folder), settings, WARM + steps)
    pairs = list(zip(ours[WARM:], theirs[WARM:], strict=True))
    what = f"a training step of video-qa, mPLUG-2 {'tiny' if quick else 'base, 8 frames'}, batch 1"
    seconds = [[side["seconds"] for side in pair] for pair in pairs]
    medians = [statistics.median(each) for each in zip(*seconds, strict=True)]
    ratio = statistics.median(a / b for a, b in seconds)
    peaks = [side[-1]["peak_bytes"] / GIBIBYTE for side in (ours, theirs)]
    return [
        Row(what, medians[0], "s", "the published code, same weights", medians[1], ratio, "<= 1"),
        Row(f"{what}, memory", peaks[0], "GiB", "the published code", peaks[1], peaks[0] / peaks[1], "<= 1"),
        Row(
            "the losses of the two over these steps, largest difference",
            max(abs(a["loss"] - b["loss"]) / abs(b["loss"]) for a, b in zip(ours, theirs, strict=True)),
            "of the loss",
        ),
    ]


def _turns(
    folder: Path, settings: Mapping[str, Any], steps: int
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    path = os.pathsep.join((os.environ.get(PACKAGES, ""), os.environ[CODE]))
    theirs = _started(
        [str(HERE / "theirs.py"), str(folder), json.dumps(_sizes(settings))], {"PYTHONPATH": path}
    )
    _told(theirs)  # the weights are written
    arguments = [
        "-m",
        "benchmarks.published.ours",
        str(folder / "weights.pth"),
        json.dumps(settings),
        str(steps),
    ]
    ours = _started(arguments, {})
    _told(ours)  # the batch is written
    found: tuple[list[dict[str, float]], list[dict[str, float]]] = ([], [])
    try:
        for _ in range(steps):
            for told, process in zip(found, (theirs, ours), strict=True):
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
                told.append(_told(process))
    finally:
        for process in (theirs, ours):
            process.kill()
            process.wait()
    return found


def _started(arguments: list[str], variables: Mapping[str, str]) -> subprocess.Popen[str]:
    command, environment = [sys.executable, *arguments], {**os.environ, **variables}
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )


def _told(process: subprocess.Popen[str]) -> dict[str, float]:
    """The next line of JSON; other lines are remarks of libraries."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            found: dict[str, float] = json.loads(line)
            return found
    raise RuntimeError("a measured process ended")


def _sizes(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the published code calls the sizes of a document."""
    own = {**BASE_SIZES, **settings}
    text_layers = own["text_layers"] + own["universal_layers"]
    return {
        "frames": own["frames"],
        "vision": {
            "input_resolution": own["image_size"],
            "patch_size": own["patch_size"],
            "width": own["vision_width"],
            "layers": own["vision_layers"],
            "heads": own["heads"],
            "output_dim": 512,
        },
        "bert": {
            "attention_probs_dropout_prob": 0.0,
            "hidden_dropout_prob": 0.0,
            "hidden_act": "gelu",
            "hidden_size": own["hidden"],
            "initializer_range": 0.02,
            "intermediate_size": own["intermediate"],
            "layer_norm_eps": 1e-12,
            "max_position_embeddings": 512,
            "num_attention_heads": own["heads"],
            "num_hidden_layers": own["fusion_stack"],
            "pad_token_id": 0,
            "type_vocab_size": 2,
            "vocab_size": 30522,
            "encoder_width": own["vision_width"],
            "add_cross_attention": False,
            "use_cache": False,
            "gradient_checkpointing": False,
            "text_encoder_layers": text_layers,
            "fusion_layers": own["fusion_layers"],
            "text_decode_layers": own["decoder_layers"],
            "stride_layer": 1000,
            "num_uni_layer": own["universal_layers"],
        },
    }
