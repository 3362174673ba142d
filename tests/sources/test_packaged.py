"""Weights inside of installed packages: found by either name, never imported, never outside."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sourced import Tensors, below, holds, save

import composer
from composer.problems import InputError

Write = Callable[..., Path]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tensors: Tensors) -> Path:
    """`tiny-towers` as pip would install it: importing `tiny_towers` is a mistake here."""
    site = tmp_path / "site"
    folder = site / "tiny_towers"
    save(folder / "data" / "first.safetensors", below(tensors, "first"))
    save(folder / "whole.safetensors", tensors)
    (folder / "__init__.py").write_text("raise SystemExit('imported')\n")
    (site / "single.py").write_text("raise SystemExit('imported')\n")
    info = site / "tiny_towers-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-towers\nVersion: 1.2\n")
    files = [
        "tiny_towers/__init__.py",
        "tiny_towers/data/first.safetensors",
        "tiny_towers-1.2.dist-info/METADATA",
    ]
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    monkeypatch.syspath_prepend(site)
    return folder


def refused(document: Path) -> str:
    with pytest.raises(InputError) as caught:
        composer.load(document, tasks=["half"])
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "weights",
    [
        "package:tiny_towers/data/first.safetensors",
        "{package: tiny-towers, file: data/first.safetensors}",
        "{package: tiny_towers.data}",
        "{package: tiny_towers, file: data}",
        "package:tiny_towers",
        "{package: tiny_towers, file: whole.safetensors, prefix: first}",
    ],
)
def test_a_file_of_a_package_is_found_without_importing_it(
    package: Path, write: Write, tensors: Tensors, weights: str
) -> None:
    model = composer.load(write(weights), tasks=["half"])
    assert holds(model, tensors, "first")
    assert "tiny_towers" not in sys.modules
    assert model.loading is not None
    assert model.loading.source.startswith("package:tiny")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            "package:tiny_towels/x",
            "no package `tiny_towels` is installed here: install it (pip install tiny-towels)",
        ),
        ("package:single/x", "`single` is a single module and has no files of its own"),
        (
            "{package: tiny_towers.date}",
            "`tiny_towers.date` is not a folder of the installed package `tiny_towers`",
        ),
        (
            "package:tiny_towers/data/frist.safetensors",
            "did you mean `data/first.safetensors`? Its weights are",
        ),
        (
            "package:tiny_towers/zzz",
            "has no file `zzz`. Its weights are data/first.safetensors, whole.safetensors",
        ),
        ("package:tiny_towers/__init__.py", "it is a text file, not a safetensors file"),
        ("{package: tiny_towers, file: out.safetensors}", "the file is a link that leads out of the package"),
    ],
)
def test_what_is_not_there_is_one_sentence(package: Path, write: Write, weights: str, message: str) -> None:
    (package / "out.safetensors").symlink_to("/etc/hostname")
    text = refused(write(weights))
    if "Its weights are" in message:
        (package / "out.safetensors").unlink()
        text = refused(write(weights))
    assert message in text
    assert "tiny_towers" not in sys.modules
