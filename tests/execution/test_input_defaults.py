"""Inputs that a sample may come without, since the document, or their modality, says what stands for them."""

from __future__ import annotations

import json
from pathlib import Path

import composer_compile
import numpy as np
import pytest

import composer
from composer.cli import main
from composer.problems import InputError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij", ":"]
DOCUMENT = """\
composer: 1
name: defaults
parameters: {usual: "c d"}
tasks:
  put:
    inputs:
      name: {modality: string, DEFAULT}
      other: {modality: string, with: {max_characters: 20}}
    nodes:
      said: {uses: core.text_template, inputs: {name: name, other: other}, with: {template: "{other}, {name}"}}
    outputs: {said: said.text}
"""
PICTURES = """\
composer: 1
name: pictures
modules:
  vision: {uses: mplug2.vision_encoder, with: {image_size: 16, patch_size: 8, width: 16, heads: 2, layers: 1}}
  text:   {uses: mplug2.text_encoder, with: {hidden: 16, heads: 2, layers: 1, vocabulary: 16, positions: 64}}
tasks:
  see:
    inputs:
      image: {modality: image, with: {size: 16}}
      prompt: {modality: prompt, with: {template: "a: {image} b:", tokenizer: words.txt, media: {image: 5}}}
    nodes:
      seen:  {call: vision.image, inputs: {pixels: image.pixels}}
      words: {call: text, inputs: {tokens: prompt.tokens, positions: prompt.positions}}
      mixed: {uses: core.fill, inputs: {text: words, media: seen, places: prompt.image}}
    outputs: {filled: mixed.filled}
"""


def document(tmp_path: Path, default: str = "default: $usual", text: str = DOCUMENT) -> Path:
    (tmp_path / "words.txt").write_text("\n".join(WORDS) + "\n")
    path = tmp_path / "document.yaml"
    path.write_text(text.replace("DEFAULT", default))
    return path


def test_a_sample_may_come_without_an_input_that_has_a_default(tmp_path: Path) -> None:
    model = composer.load(document(tmp_path), weights="initial")
    assert model.run(other="a") == {"said": "a, c d"}
    assert model.run(other="a", name="") == {"said": "a, "}
    assert model.run(other=["a", "b", "e"], name=["f", None, "g"]) == {"said": ["a, f", "b, c d", "e, g"]}
    assert model.session(other="b").ask() == {"said": "b, c d"}
    with pytest.raises(InputError, match="needs the input `other`"):
        model.run(name="a")


def test_rows_may_lack_its_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, rows, out = document(tmp_path), tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    rows.write_text('{"other": "a"}\n{"other": "b", "name": "e"}\n{"other": "c", "name": null}\n')
    argv = ["run", str(path), "--weights", "initial", "--rows", str(rows), "--out", str(out)]
    assert main(argv) == 0, capsys.readouterr().err
    said = [json.loads(line)["outputs"]["said"] for line in out.read_text().splitlines()]
    assert said == ["a, c d", "b, e", "c, c d"]


def test_an_artifact_has_it_too(tmp_path: Path) -> None:
    text = DOCUMENT.replace("outputs: {", "outputs: {vector: vector, ").replace(
        "    nodes:\n",
        "      numbers: {modality: array, with: {kind: embedding, dims: [B, 2]}}\n"
        "    nodes:\n      vector: {uses: core.activation, inputs: numbers, with: {of: embedding, function: relu}}\n",
    )
    composer_compile.compile_document(document(tmp_path, text=text), tmp_path / "artifact", weights="initial")
    with composer_compile.load(tmp_path / "artifact") as artifact:
        assert artifact.run(other="a", numbers=np.array([1, -1], np.float32))["said"] == "a, c d"


def test_a_prompt_without_texts_needs_nothing(tmp_path: Path) -> None:
    model = composer.load(document(tmp_path, text=PICTURES), weights="initial")
    image = np.zeros((16, 16, 3), np.uint8)
    assert model.run(image=image)["filled"].sum() == 5
    assert model.run(image=[image, image])["filled"].sum(1).tolist() == [5, 5]
    assert model.run(image=image, prompt="")["filled"].sum() == 5


@pytest.mark.parametrize(
    ("default", "told"),
    [
        ("default: 5", "a text is expected"),
        ("default: c, optional: true", "not both"),
        ("default: c, repeated: {at_most: 2}", "not both"),
    ],
)
def test_a_default_that_cannot_be_is_one_problem(tmp_path: Path, default: str, told: str) -> None:
    report = composer.check(document(tmp_path, default))
    (problem,) = report.errors
    assert problem.code == "C274"
    assert told in problem.message


def test_a_picture_has_no_default(tmp_path: Path) -> None:
    text = PICTURES.replace("{size: 16}}\n      prompt", "{size: 16}, default: a.png}\n      prompt")
    (problem,) = composer.check(document(tmp_path, text=text)).errors
    assert problem.code == "C274"
    assert any("optional: true" in each for each in problem.helps)


def test_an_unknown_parameter_is_told(tmp_path: Path) -> None:
    (problem,) = composer.check(document(tmp_path, "default: $usul")).errors
    assert problem.code == "C103"
