"""Folders of models on the Hub, which lies on loopback here, and in packages; and what cannot be had of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from fake_hub import TOKEN, FakeHub, HubRepository, fake_hub, hub_at
from tiny_folders import save_folder

import composer
from composer.problems import InputError

NOWHERE = "http://127.0.0.1:9"
"""A port that nothing listens on."""
DOCUMENT = """\
composer: 1
name: folders
parameters: {model: FOLDER}
modules:
  lm: {uses: transformers.causal_lm, with: {folder: $model}, weights: $model}
tasks:
  read:
    inputs: {text: {modality: text, for: lm}}
    nodes: {scores: {call: lm, inputs: {tokens: text.tokens}}}
    outputs: {logits: scores}
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with fake_hub(tmp_path / "cache", monkeypatch) as served:
        yield served


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "model"
    save_folder(folder, "llama")
    return folder


def files_of(folder: Path, **changed: object) -> dict[str, bytes]:
    config = {**json.loads((folder / "config.json").read_text()), **changed}
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return {**files, "config.json": json.dumps(config).encode(), "modeling.py": b"raise SystemExit"}


def document(place: Path, folder: str) -> Path:
    (place / "a.yaml").write_text(DOCUMENT.replace("FOLDER", json.dumps(folder)))
    return place / "a.yaml"


def errors_of(path: Path) -> list[str]:
    return [each.message for each in composer.check(path).problems if each.severity == "error"]


def logits(path: Path) -> torch.Tensor:
    found: torch.Tensor = composer.load(path).run("read", text="w5 w6 w7")["logits"]
    return found


def test_a_folder_of_the_hub_is_read_once_and_then_without_a_network(
    hub: FakeHub, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = hub.repositories["o/m"] = HubRepository()
    commit = repository.push(files_of(model), "v1.0")
    wanted = logits(document(tmp_path, str(model)))
    for revision in (commit, "v1.0"):
        assert torch.equal(logits(document(tmp_path, f"hub:o/m@{revision}")), wanted)
    assert not any(path.endswith(".py") for _, path, _ in hub.asked)
    for offline in (True, False):
        hub_at(NOWHERE, tmp_path / "cache", monkeypatch, offline=offline)
        assert errors_of(document(tmp_path, f"hub:o/m@{commit}")) == []
    assert torch.equal(logits(tmp_path / "a.yaml"), wanted)


def test_a_folder_in_an_installed_package_is_read(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "site" / "tiny_models"
    place.mkdir(parents=True)
    (place / "__init__.py").write_text("raise SystemExit('imported')\n")
    (place / "llama").symlink_to(model)
    monkeypatch.syspath_prepend(tmp_path / "site")
    (found,) = errors_of(document(tmp_path, "package:tiny_models/llama"))
    assert "the file is a link that leads out of the package" in found
    (place / "llama").unlink()
    (place / "llama").mkdir()
    for file in model.iterdir():
        (place / "llama" / file.name).write_bytes(file.read_bytes())
    found_here = logits(document(tmp_path, "package:tiny_models/llama"))
    assert torch.equal(found_here, logits(document(tmp_path, str(model))))
    for folder, cause in {
        "package:tiny_models/gpt": "the package has no folder `gpt`",
        "package:tiny_modles": "no package `tiny_modles` is installed here",
        "package:tiny_models": "has no config.json",
        "package:tiny_models/../..": "is a link that leads out of the package",
    }.items():
        (message,) = errors_of(document(tmp_path, folder))
        assert cause in message


def test_what_cannot_be_had_of_the_hub_is_one_sentence(
    hub: FakeHub, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {
        "gated": files_of(model),
        "code": files_of(model, auto_map={"AutoModel": "modeling.Model"}),
        "other": files_of(model, model_type="mamba"),
        "empty": {"README.md": b""},
    }
    for name, files in contents.items():
        hub.repositories[f"o/{name}"] = HubRepository(gated=name == "gated")
        hub.repositories[f"o/{name}"].push(files, "v1")
    for folder, cause in {
        "hub:o/gated@v1": "it is gated: ask for access on its page, then set HF_TOKEN",
        "hub:o/nothing@v1": "the Hub has no such repository, or it is private",
        "hub:o/code@v2": "the repository has no revision `v2`",
        "hub:o/code": "it may hold another model tomorrow: name a commit or a tag",
        "hub:o/code@main": "it may hold another model tomorrow: name a commit or a tag",
        "hub:code": "a repository is written hub:owner/name@revision",
        "hub:o/code@v1": "asks for code of its own (auto_map), and no code of a model's folder is run",
        "hub:o/other@v1": "is a model of the type 'mamba'; models are read of the types llama",
        "hub:o/empty@v1": "the repository has no config.json",
    }.items():
        (message,) = errors_of(document(tmp_path, folder))
        assert cause in message
        assert "\n" not in message
        assert TOKEN not in message
    hub_at(NOWHERE, tmp_path / "cache", monkeypatch)
    (message,) = errors_of(document(tmp_path, "hub:o/gated@v1"))
    assert "the Hub cannot be reached" in message
    hub_at(NOWHERE, tmp_path / "cache", monkeypatch, offline=True)
    (message,) = errors_of(document(tmp_path, "hub:o/gated@v1"))
    assert "HF_HUB_OFFLINE is set: fetch it once with a network" in message


def test_a_repository_without_safetensors_is_told_when_weights_are_read(
    hub: FakeHub, model: Path, tmp_path: Path
) -> None:
    files = {name: content for name, content in files_of(model).items() if "safetensors" not in name}
    repository = hub.repositories["o/m"] = HubRepository()
    repository.push({**files, "pytorch_model.bin": b""}, "v1")
    path = document(tmp_path, "hub:o/m@v1")
    assert errors_of(path) == []
    with pytest.raises(
        InputError, match=r"holds no safetensors, but pytorch_model\.bin: a pickle is read only"
    ):
        composer.load(path)
