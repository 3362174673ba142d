"""A picture in front of a question: a vision backbone, a projector that learns, a language model; live and compiled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import composer_compile
import numpy as np
import pytest
import tiny_questions
import torch
from pages import blocks, files_of, write_files
from safetensors.torch import load_file
from tiny_folders import save_folder

import composer
from composer.execution import Model
from composer.plugin import load_registry
from composer.training import train_document

QUESTIONS = ["w5 w6 w7 w8", "w9"]

ALONE = """\
import numpy, composer_compile
artifact = composer_compile.load(sys.argv[1])
print(artifact.run("ask", image=numpy.zeros((8, 8, 3), numpy.uint8), question="w9")["answer"])
"""
"""What answers where neither library can be imported."""


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of docs/models.md, with the folder of a language model beside it."""
    place = tmp_path_factory.mktemp("ask")
    save_folder(place / "language", "llama-ropes", chat=True)
    write_files(place, files_of(blocks("models.md")))
    return place / "ask.yaml"


@pytest.fixture(scope="module")
def model(document: Path) -> Model:
    torch.manual_seed(3)
    found = composer.load(document)
    with torch.no_grad():
        for parameter in found.modules["projector"].parameters():
            parameter.mul_(20)  # so that the picture decides what is said
    return found


def pictures() -> list[np.ndarray]:
    drawn = np.random.default_rng(0)
    return [drawn.integers(0, 256, (40, 60, 3), dtype=np.uint8) for _ in QUESTIONS]


def test_the_picture_and_the_question_matter(model: Model) -> None:
    one, other = pictures()
    answers = {
        model.run("ask", image=image, question=question)["answer"]
        for image in (one, np.full_like(other, 255))
        for question in QUESTIONS
    }
    assert len(answers) > 2
    together = model.run("ask", image=[one, other], question=QUESTIONS)["answer"]
    assert together == [
        model.run("ask", image=image, question=question)["answer"]
        for image, question in zip((one, other), QUESTIONS, strict=True)
    ]


def test_only_the_projector_learns(document: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(
        "epochs: 2\nlearning_rate: 1e-2\n"
        "tasks: {ask: {dataset: questions.tiny, batch: 4, output: answer, reference: reply, metrics: {}}}\n"
    )
    record = train_document(
        document,
        out=tmp_path / "trained",
        recipe=tmp_path / "recipe.yaml",
        registry=load_registry([("questions", tiny_questions)]),
        splits=(),
    )
    assert set(record["trained"]) == {"projector"}
    assert set(record["frozen"]) == {"eyes", "language"}
    model = composer.load(document, weights=tmp_path / "trained.safetensors")
    assert isinstance(model.run("ask", image=pictures()[0], question="w9")["answer"], str)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["export", "inductor"])
def test_the_artifact_answers_as_the_live_model(
    document: Path, model: Model, tmp_path: Path, backend: str
) -> None:
    from composer.weights import save_weights

    own = {name: tmp_path / f"{name}.safetensors" for name in ("eyes", "projector")}
    for name, path in own.items():  # beside the folder that the document names for the language model
        save_weights({name: model.modules[name]}, path)
    composer_compile.compile_document(
        document,
        tmp_path / "artifact",
        weights=own,
        options=composer_compile.Options(backend=backend),
    )
    stored = load_file(tmp_path / "artifact" / "weights.safetensors")
    state = [tensor for module in model.modules.values() for tensor in module.state_dict().values()]
    once = {tensor.data_ptr(): tensor.numel() for tensor in state}
    assert sum(tensor.numel() for tensor in stored.values()) <= 1.02 * sum(once.values())
    artifact = composer_compile.load(tmp_path / "artifact")
    for image, question in zip(pictures(), QUESTIONS, strict=True):
        given = {"image": image, "question": question}
        assert artifact.run("ask", **given) == model.run("ask", **given)
    alone = "import sys; sys.modules.update(timm=None, transformers=None)\n" + ALONE
    done = subprocess.run(
        [sys.executable, "-c", alone, str(tmp_path / "artifact")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.strip() == model.run("ask", image=np.zeros((8, 8, 3), np.uint8), question="w9")["answer"]
    )
