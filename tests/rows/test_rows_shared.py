"""Rows that share a picture: it is read and encoded once, and each row is answered as it would be alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from shared_pictures import QUESTIONS, write_shared
from tiny_folders import save_folder

import composer
from composer.execution import Model
from composer.rows import answer_rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shared(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def asked(folder: Path) -> Model:
    return composer.load(folder / "shared.yaml", weights="initial")


def counted(model: Model, task: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """How many rows every call of a node has, by node."""
    runner = model.runner(task)
    calls: dict[str, list[int]] = {}

    def counting(name: str, real: Any) -> Any:
        def call(**given: Any) -> Any:
            calls.setdefault(name, []).append(len(leaf(next(iter(given.values())))))
            return real(**given)

        return call

    for name, real in list(runner.program.functions.items()):
        monkeypatch.setitem(runner.program.functions, name, counting(name, real))
    return calls


def leaf(value: Any) -> Any:
    while isinstance(value, tuple):
        value = value[0]
    return value


def answers_of(
    model: Model, task: str, rows: list[dict[str, Any]], folder: Path, **options: Any
) -> Iterator[Any]:
    for answer in answer_rows(model, task, rows, media_root=folder, **options):
        assert answer.error is None
        yield answer


def test_a_picture_of_several_rows_is_encoded_once(
    asked: Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"image": f"{number % 2}.png", "question": each} for number, each in enumerate(QUESTIONS)]
    alone = [asked.run("ask", image=str(folder / row["image"]), question=row["question"]) for row in rows]
    calls = counted(asked, "ask", monkeypatch)
    for row, answer in zip(alone, answers_of(asked, "ask", rows, folder), strict=True):
        torch.testing.assert_close(answer.outputs["vector"], row["vector"], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(answer.outputs["words"].values, row["words"].values, atol=1e-5, rtol=1e-4)
    assert calls == {"seen": [2], "words": [7], "all": [8], "vector": [8]}


def test_rows_of_one_picture_stand_together(
    asked: Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However they are ordered, and whatever the lengths of their questions."""
    rows = [{"image": f"{n}.png", "question": "who is it " * (1 + m)} for n in range(3) for m in range(4)]
    random.Random(1).shuffle(rows)
    calls = counted(asked, "ask", monkeypatch)
    assert len(list(answers_of(asked, "ask", rows, folder, batch_size=4))) == 12
    assert calls["seen"] == [1, 1, 1]
    assert calls["all"] == [4, 4, 4]


def test_a_picture_that_all_rows_have_is_encoded_once(
    asked: Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = str(folder / "0.png")
    calls = counted(asked, "ask", monkeypatch)
    rows = [{"question": each} for each in QUESTIONS]
    found = list(answers_of(asked, "ask", rows, folder, constants={"image": image}, batch_size=3))
    assert calls["seen"] == [1]
    assert sum(calls["all"]) == 8
    for row, answer in zip(rows, found, strict=True):
        alone = asked.run("ask", image=image, question=row["question"])["vector"]
        torch.testing.assert_close(answer.outputs["vector"], alone, atol=1e-5, rtol=1e-4)


def test_rows_of_several_pictures_are_told_apart(
    asked: Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture is a row of its own among those of all samples: whole samples that are equal are shared alone."""
    pictures = [["0.png"], ["0.png", "1.png"], ["0.png"], ["2.png"], ["0.png", "1.png"], ["2.png", "0.png"]]
    rows = [
        {"image": each, "question": question}
        for each, question in zip(pictures, ["a", "what is", "a", "a", "who is it", "b"], strict=True)
    ]
    calls = counted(asked, "several", monkeypatch)
    found = list(answers_of(asked, "several", rows, folder))
    assert calls == {"seen": [6], "own": [6], "words": [4], "all": [5], "vector": [5]}
    for row, answer in zip(rows, found, strict=True):
        given = [str(folder / each) for each in row["image"]]
        alone = asked.run("several", image=given, question=row["question"])["vector"]
        torch.testing.assert_close(answer.outputs["vector"], alone, atol=1e-5, rtol=1e-4)


DRAWN = """\
composer: 1
name: drawn
extends: quickstart
tasks:
  image-caption:
    nodes:
      caption: {with: {search: {uses: core.sample, with: {temperature: 3.0}}}}
"""


def test_chance_is_not_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "drawn.yaml").write_text(DRAWN)
    drawn = composer.load(tmp_path / "drawn.yaml", weights="quickstart", tasks=["image-caption"])
    rows = [{"image": "picture.png"}] * 8
    shown = Path("examples/quickstart").absolute()
    texts = [each.outputs["caption"] for each in answers_of(drawn, "image-caption", rows, shown)]
    assert len(set(texts)) > 1
    seeded = [each.outputs["caption"] for each in answers_of(drawn, "image-caption", rows, shown, seed=3)]
    assert set(seeded) == {drawn.run("image-caption", image=str(shown / "picture.png"), seed=3)["caption"]}


ASKED = """\
composer: 1
name: asked
modules:
  eyes: {uses: mplug2.vision_encoder, with: {image_size: 16, patch_size: 8, width: 32, heads: 2, layers: 1}}
  language: {uses: transformers.causal_lm, with: {folder: model}}
tasks:
  ask:
    inputs:
      image: {modality: image, with: {size: 16}HOW}
      question:
        modality: prompt
        with: {tokenizer: model/tokenizer.json, template: "{image} {question}", media: {image: 5}EACH, frame: none}
    nodes:
      seen: {call: eyes.image, inputs: {pixels: image.pixels}}
      words: {call: language.embed, inputs: {tokens: question.tokens}}
      mixed: {uses: core.fill, inputs: {text: words, media: seen, places: question.image}}
      answer: {generate: language, inputs: {prompt: mixed.states}, with: {max_tokens: 4}}
    outputs: {ids: answer.ids, score: answer.score}
"""
PICTURES = [["0.png"], ["0.png", "1.png"], ["2.png"], ["0.png"], ["0.png", "1.png"], []]


@pytest.mark.parametrize("several", [False, True])
def test_pictures_inside_texts_are_shared_where_rows_can_be_told_apart(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, several: bool
) -> None:
    """With several pictures in a prompt, each with what `each` writes around it, equal rows alone are shared."""
    save_folder(tmp_path / "model", "llama")
    text = ASKED.replace("HOW", ", repeated: {at_most: 3}" if several else "")
    (tmp_path / "asked.yaml").write_text(
        text.replace("EACH", ', each: {image: "w1 {} w2"}' if several else "")
    )
    torch.manual_seed(1)
    model = composer.load(tmp_path / "asked.yaml", weights="initial")
    given: list[Any] = PICTURES if several else ["0.png", "1.png", "0.png", "0.png", "1.png", "2.png"]
    questions = ["w3 w4", "w5", "w6 w7 w8 w9", "w3 w4", "w10", "w3"]
    rows = [{"image": image, "question": each} for image, each in zip(given, questions, strict=True)]
    calls = counted(model, "ask", monkeypatch)
    found = list(answers_of(model, "ask", rows, folder))
    assert calls["seen"] == ([6] if several else [3])
    assert calls["mixed"] == [5]
    for row, answer in zip(rows, found, strict=True):
        image = row["image"]
        path = [str(folder / each) for each in image] if isinstance(image, list) else str(folder / image)
        alone = model.run("ask", image=path, question=row["question"])
        assert answer.outputs["ids"].tolist() == alone["ids"].tolist()
        torch.testing.assert_close(answer.outputs["score"], alone["score"], atol=1e-4, rtol=1e-3)
