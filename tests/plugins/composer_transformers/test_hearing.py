"""A folder of a whisper and a sound file: checked, run, run on rows, and compiled to an artifact that answers alike."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any, NamedTuple

import composer_compile
import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray
from tiny_folders import save_folder

import composer
from composer.cli import main
from composer.execution import Model

DOCUMENT = """\
composer: 1
modules:
  ears: {uses: transformers.seq2seq, with: {folder: model}, weights: model}
tasks:
  write-down:
    inputs: {sound: {modality: audio, for: ears}}
    nodes:
      heard: {call: ears, inputs: sound}
      text:  {generate: ears, inputs: {memory: heard}, with: {max_tokens: 9}}
    outputs: {text: text.text, ids: text.ids}
"""


class Case(NamedTuple):
    folder: Path
    theirs: Any
    extractor: Any
    model: Model


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("hearing")
    theirs = save_folder(folder / "model", "whisper")
    extractor = transformers.WhisperFeatureExtractor(
        feature_size=6, chunk_length=1, hop_length=800, n_fft=1_024
    )
    extractor.save_pretrained(folder / "model")
    for number, sound in enumerate(sounds()):
        with wave.open(str(folder / f"{number}.wav"), "wb") as target:
            target.setnchannels(1)
            target.setsampwidth(2)
            target.setframerate(16_000)
            target.writeframes((sound * 32_768).astype(np.int16).tobytes())
    (folder / "hear.yaml").write_text(DOCUMENT)
    return Case(folder, theirs, extractor, composer.load(folder / "hear.yaml"))


def sounds() -> list[NDArray[np.float64]]:
    """Of unequal length, in steps of 16 bits, so that a file holds them as they are."""
    times = np.arange(16_000) / 16_000
    found = [
        0.5 * np.sin(2 * np.pi * pitch * times[:length]) for pitch, length in ((300, 16_000), (900, 6_000))
    ]
    return [np.round(one * 32_768) / 32_768 for one in found]


def test_sound_files_are_written_down_as_by_the_library(case: Case) -> None:
    features = case.extractor(sounds(), sampling_rate=16_000, return_tensors="pt").input_features
    with torch.no_grad():
        wanted = case.theirs.generate(features, max_new_tokens=9, do_sample=False)
    paths = [str(case.folder / f"{number}.wav") for number in range(2)]
    together = case.model.run("write-down", sound=paths)
    assert len({str(row) for row in together["ids"].tolist()}) == 2
    for row, (path, want) in enumerate(zip(paths, wanted, strict=True)):
        alone = case.model.run("write-down", sound=path)
        assert alone["text"] == together["text"][row]
        assert alone["ids"].tolist()[1 : 1 + len(want)] == want.tolist()


def test_rows_name_sound_files(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case.folder)
    Path("rows.jsonl").write_text("".join(json.dumps({"sound": f"{n}.wav"}) + "\n" for n in range(2)))
    assert main(["run", "hear.yaml", "--rows", "rows.jsonl", "--out", "answers.jsonl"]) == 0
    answers = [json.loads(line) for line in Path("answers.jsonl").read_text().splitlines()]
    texts = [case.model.run("write-down", sound=f"{number}.wav")["text"] for number in range(2)]
    assert [answer["outputs"]["text"] for answer in answers] == texts


@pytest.mark.slow
def test_an_artifact_writes_down_what_the_live_model_does(case: Case, tmp_path: Path) -> None:
    composer_compile.compile_document(case.folder / "hear.yaml", tmp_path / "artifact")
    artifact = composer_compile.load(tmp_path / "artifact")
    paths = [str(case.folder / f"{number}.wav") for number in range(2)]
    wanted = case.model.run("write-down", sound=paths)
    found = artifact.run("write-down", sound=paths)
    assert found["text"] == wanted["text"]
    assert found["ids"].tolist() == wanted["ids"].tolist()
