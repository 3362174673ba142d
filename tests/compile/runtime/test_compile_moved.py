"""An artifact that is open answers on, whatever becomes of its folder and of the one the program works in."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import composer_compile
import pytest
from composer_compile.errors import ArtifactError

Clip = Callable[..., Any]


def zipped(folder: Path, target: Path, compression: int) -> Path:
    with zipfile.ZipFile(target, "w", compression) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return target


def chdir(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.parent / "elsewhere").mkdir()
    monkeypatch.chdir(place.parent / "elsewhere")


def rename(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.rename(place.with_name("renamed"))


def remove(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(place) if place.is_dir() else place.unlink()


CHANGES = [chdir, rename, remove]


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__)
def test_a_folder_answers_on(
    small: Any, copied: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch, change: Callable[..., None]
) -> None:
    raw = {"video": clip(1), "question": "what"}
    monkeypatch.chdir(copied.parent)
    with composer_compile.load(copied.name) as artifact:
        change(copied, monkeypatch)
        assert artifact.run("video-qa", **raw) == small.model.run("video-qa", **raw)


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_answers_on(
    small: Any,
    tmp_path: Path,
    clip: Clip,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[..., None],
    compression: int,
) -> None:
    raw = {"video": clip(1), "question": "what"}
    packed = zipped(small.artifact, tmp_path / "small.zip", compression)
    monkeypatch.chdir(tmp_path)
    with composer_compile.load(packed.name) as artifact:
        change(packed, monkeypatch)
        assert artifact.run("video-qa", **raw) == small.model.run("video-qa", **raw)
        assert len(artifact.samples())


def test_a_config_that_is_not_taken_is_told_by_its_own_words(
    small: Any, copied: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    with composer_compile.load(copied) as artifact:
        monkeypatch.setitem(artifact.manifest.tasks["classify"].inputs["question"].config, "max_tokens", -3)
        with pytest.raises(ArtifactError) as caught:
            artifact.run("classify", question="what")
    assert "max_tokens" in str(caught.value)
    assert "greater than" in str(caught.value)
    assert "further information" not in str(caught.value)
