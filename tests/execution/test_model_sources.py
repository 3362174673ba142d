"""Where weights come from: shipped ones by name, through `extends`, with fresh modules; and what a model is not."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from children import CHILD
from safetensors.torch import load_file

import composer
from composer.plugin import load_registry
from composer.problems import InputError
from composer.weights import WeightsError


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("child.yaml").write_text(CHILD)
    return Path("child.yaml")


def loaded(model: composer.execution.Model) -> set[str]:
    assert model.loading is not None
    return {each.name for each in model.loading.modules if each.loaded and not each.initialised}


def test_a_child_keeps_the_weights_of_the_document_that_it_extends(child: Path) -> None:
    model = composer.load(child, tasks=["image-qa"])
    weights = load_registry().documents["quickstart"].weights
    assert weights is not None
    shipped = load_file(weights)
    state = model.modules["fusion"].state_dict()
    assert all(torch.equal(value, shipped[f"fusion.{key}"]) for key, value in state.items())


def test_a_grandchild_keeps_them_too(child: Path) -> None:
    Path("grandchild.yaml").write_text("composer: 1\nname: grandchild\nextends: child.yaml\n")
    assert "fusion" in loaded(composer.load("grandchild.yaml", tasks=["image-qa"]))


def test_a_child_that_removes_a_module_leaves_its_keys(child: Path) -> None:
    child.write_text(
        "composer: 1\nname: child\nextends: quickstart\nmodules: {text: null, fusion: null}\n"
        "pieces: {asked: null}\ntasks: {image-qa: null, video-caption: null}\n"
    )
    model = composer.load(child)
    assert model.loading is not None
    assert {"text", "fusion"} <= set(model.loading.not_needed.values())


@pytest.mark.parametrize("weights", [None, "quickstart"])
def test_a_new_module_must_be_named_to_start_fresh(child: Path, weights: str | None) -> None:
    with pytest.raises(WeightsError, match=r"nothing for `head`.*--init head \(init=\['head'\]\)") as caught:
        composer.load(child, weights=weights)
    assert ("extends quickstart" in str(caught.value)) == (weights is None)
    model = composer.load(child, weights=weights, init=["head"])
    assert "initialised by rule '--init head'" in str(model.loading)
    assert not any(parameter.is_meta for parameter in model.modules["head"].parameters())
    assert loaded(model) == {"vision", "universal", "seen", "text", "fusion", "decoder"}


def test_a_child_of_another_size_says_whose_weights_they_are(child: Path) -> None:
    child.write_text("composer: 1\nname: child\nextends: quickstart\nparameters: {hidden: 48}\n")
    with pytest.raises(WeightsError) as caught:
        composer.load(child)
    first, second, third, *rest = str(caught.value).splitlines()
    assert "child extends quickstart, so it takes the weights that ship with quickstart" in first
    assert "does not fit" in second
    assert "for 48 where the checkpoint has 96: set `hidden` to 96 (now 48)" in third
    assert len(rest) < 12


def test_a_changed_setting_is_the_first_thing_that_is_told() -> None:
    with pytest.raises(WeightsError) as caught:
        composer.load("quickstart", settings={"hidden": 64})
    lines = str(caught.value).splitlines()
    assert "set `hidden` to 96 (now 64)" in lines[1]
    assert "image_size" not in lines[1]
    assert len(lines) < 14
    assert len(caught.value.details.splitlines()) > 100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "mplug2"}, "the document mplug2 ships no weights"),
        ({"init": ["hed"]}, "child has no module `hed`; did you mean `head`"),
        ({"weights": "initial", "root": "ema"}, "belongs to a checkpoint"),
        ({"root": ""}, "the root is empty"),
        ({"root": "ema"}, "no entry and no key below `ema`"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_one_sentence(child: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        composer.load(child, **{"init": ["head"], **options})
    assert "\n" not in str(caught.value)


def test_a_path_wins_over_the_name_of_a_document(child: Path) -> None:
    Path("quickstart").mkdir()
    with pytest.raises(WeightsError, match="the folder holds no weights"):
        composer.load(child, weights="quickstart", init="head")


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy], ids=lambda way: way.__name__)
def test_a_model_that_is_pickled_or_copied_says_why_it_cannot_be(way) -> None:
    model = composer.load("quickstart", tasks=["image-qa"])
    with pytest.raises(TypeError, match=r"cannot be pickled or copied: load it again .* composer.load"):
        way(model)
    with pytest.raises(InputError):
        way(model)


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("banana", "'banana' is not a device: write cpu, cuda or cuda:1"),
        ("", "'' is not a device"),
        ("meta", "device meta cannot be used here"),
        ("xla", "this torch computes on no xla device; use cpu"),
    ],
)
def test_a_device_that_is_not_there_is_a_short_sentence(device: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        composer.load("quickstart", device=device)
    assert len(str(caught.value)) < 220
    assert "\n" not in str(caught.value)


def test_a_device_beyond_those_that_there_are_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match=r"device cuda:9 is not available here: torch finds 1 CUDA device"):
        composer.load("quickstart", device="cuda:9")
