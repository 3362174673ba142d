"""Rows that share a picture, asked of an artifact: a stage that depends on the picture alone runs once for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import composer_compile
import pytest
import torch
from composer_compile.runtime.artifact import Artifact
from composer_compile.runtime.loaded_parts import LoadedStage
from shared_pictures import QUESTIONS, write_shared

from composer.rows import answer_rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shared(tmp_path_factory.mktemp("shared"))


def made(folder: Path, name: str, ranges: dict[str, str] | None = None, **options: Any) -> Artifact:
    chosen = composer_compile.Options(session=("image",), ranges=ranges or {}, **options)
    composer_compile.compile_document(
        folder / "shared.yaml", folder / name, weights="initial", options=chosen
    )
    return composer_compile.load(folder / name)


@pytest.fixture(scope="module")
def artifact(folder: Path) -> Iterator[Artifact]:
    with made(folder, "artifact") as found:
        yield found


def counted(artifact: Artifact, task: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows the programs have that take pictures."""
    rows: list[int] = []
    for part in artifact.task(task).order:
        if not isinstance(part, LoadedStage):
            continue
        for place, name in enumerate(part.inputs):
            if name.startswith("image.") and name != "image.items":
                monkeypatch.setattr(part, "load", counting(part.load, place, rows))
    return rows


def counting(load: Any, place: int, rows: list[int]) -> Any:
    def loading(program: Any) -> Any:
        run = load(program)

        def call(*tensors: Any) -> Any:
            rows.append(len(tensors[place]))
            return run(*tensors)

        return call

    return loading


def answers_of(
    artifact: Artifact, task: str, rows: list[dict[str, Any]], folder: Path, **options: Any
) -> Iterator[Any]:
    for answer in answer_rows(artifact, task, rows, media_root=folder, **options):
        assert answer.error is None
        yield answer


def test_a_picture_of_several_rows_is_encoded_once(
    artifact: Artifact, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"image": f"{number % 2}.png", "question": each} for number, each in enumerate(QUESTIONS)]
    alone = [artifact.run("ask", image=str(folder / row["image"]), question=row["question"]) for row in rows]
    calls = counted(artifact, "ask", monkeypatch)
    for row, answer in zip(alone, answers_of(artifact, "ask", rows, folder), strict=True):
        torch.testing.assert_close(answer.outputs["vector"], row["vector"], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(answer.outputs["words"].values, row["words"].values, atol=1e-5, rtol=1e-4)
    assert calls == [2]


def test_a_picture_that_all_rows_have_is_encoded_once(
    artifact: Artifact, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = str(folder / "0.png")
    alone = [artifact.run("ask", image=image, question=each)["vector"] for each in QUESTIONS]
    calls = counted(artifact, "ask", monkeypatch)
    rows = [{"question": each} for each in QUESTIONS]
    found = list(answers_of(artifact, "ask", rows, folder, constants={"image": image}, batch_size=3))
    for row, answer in zip(alone, found, strict=True):
        torch.testing.assert_close(answer.outputs["vector"], row, atol=1e-5, rtol=1e-4)
    assert calls == [1]


def test_several_pictures_of_a_sample_are_rows_of_their_own(
    artifact: Artifact, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [["0.png"], ["0.png", "1.png"], ["0.png"], ["2.png"]]
    rows = [
        {"image": each, "question": question} for each, question in zip(pictures, QUESTIONS, strict=False)
    ]
    calls = counted(artifact, "several", monkeypatch)
    found = list(answers_of(artifact, "several", rows, folder, batch_size=4))
    assert calls == [5]
    for row, answer in zip(rows, found, strict=True):
        alone = artifact.run(
            "several", image=[str(folder / each) for each in row["image"]], question=row["question"]
        )
        torch.testing.assert_close(answer.outputs["vector"], alone["vector"], atol=1e-5, rtol=1e-4)


def test_programs_of_one_number_of_samples_take_all_rows(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with made(folder, "fixed", {"batch": "4..4"}) as artifact:
        calls = counted(artifact, "ask", monkeypatch)
        rows = [{"image": "0.png", "question": each} for each in QUESTIONS]
        assert len(list(answers_of(artifact, "ask", rows, folder, batch_size=4))) == 8
        assert calls == [4, 4]


def test_the_manifest_names_what_counts_samples_where_a_program_takes_nothing_else(
    artifact: Artifact,
) -> None:
    """A program that takes pictures, of which a sample may have several, computes no sample by itself."""
    counts = {
        name: {getattr(part, "samples", None) for part in task.order}
        for name, task in artifact.manifest.tasks.items()
    }
    assert len(counts["ask"]) == 1
    assert None not in counts["ask"]
    assert None in counts["several"]
