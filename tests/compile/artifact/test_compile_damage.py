"""Whatever is wrong with an artifact is found before anything of it is used: every file, damaged in every way."""

from __future__ import annotations

import json
import shutil
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import composer_compile
import pytest
import torch
from composer_compile.artifact import hashing
from composer_compile.artifact.container import open_container
from composer_compile.artifact.manifest_file import read_manifest, write_manifest
from composer_compile.artifact.writer import file_entries
from composer_compile.backends.export_loader import ExportLoader
from composer_compile.errors import ArtifactError

from composer.cli import main


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def remove(path: Path) -> None:
    path.unlink()


DAMAGES: list[Callable[[Path], None]] = [flip, cut, empty, lengthen, remove]


@pytest.fixture
def unused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be deserialised while an artifact is found wanting."""

    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("a program of a damaged artifact was loaded")

    monkeypatch.setattr(ExportLoader, "load", never)


@pytest.mark.usefixtures("unused")
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda each: each.__name__)
def test_every_damaged_file_is_found(copied: Path, damage: Callable[[Path], None]) -> None:
    names = sorted(path.relative_to(copied) for path in copied.rglob("*") if path.is_file())
    assert len(names) > 8
    for name in names:
        kept = (copied / name).read_bytes()
        damage(copied / name)
        with pytest.raises(ArtifactError, match=name.name if name.name != "manifest.json" else "."):
            composer_compile.load(copied)
        (copied / name).write_bytes(kept)
    composer_compile.load(copied).close()


@pytest.mark.usefixtures("unused")
def test_swapped_files_are_found(copied: Path) -> None:
    first, second = sorted((copied / "programs").iterdir())[:2]
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    with pytest.raises(
        ArtifactError, match=rf"rebuild it with `composer compile small\.yaml .* --out {copied}`$"
    ):
        composer_compile.load(copied)


@pytest.mark.usefixtures("unused")
def test_a_foreign_file_is_found(copied: Path) -> None:
    (copied / "programs" / "more.pt2").write_bytes(b"more")
    with pytest.raises(ArtifactError, match=r"programs/more\.pt2, which its manifest does not name"):
        composer_compile.load(copied)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no JSON"),
        (b"[]", "not written by `composer compile`"),
        (
            b'{"format": "composer-artifact", "version": 4}',
            "version 4 of the artifact format and this composer reads 5",
        ),
        (b'{"format": "composer-artifact", "version": 5}', "its digest differs"),
        (b'{"name": "something else"}', "not written by `composer compile`"),
    ],
)
def test_a_foreign_manifest_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=message):
        composer_compile.load(tmp_path)


def test_what_is_no_artifact_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="there is no artifact at"):
        composer_compile.load(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match=r"holds no manifest\.json"):
        composer_compile.load(tmp_path)
    text = tmp_path / "text.zip"
    text.write_text("no zip")
    with pytest.raises(ArtifactError, match="neither a directory nor a zip"):
        composer_compile.load(text)


def rewritten(copied: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """A manifest with another content and a right digest: what somebody writes on purpose."""
    data = json.loads((copied / "manifest.json").read_text())
    change(data)
    manifest = read_manifest((copied / "manifest.json").read_bytes(), "it").model_validate(data)
    (copied / "manifest.json").write_bytes(write_manifest(manifest))


def test_an_artifact_of_a_later_torch_names_the_command(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ExportLoader, "load", None)
    rewritten(copied, lambda data: data["backend"]["made_with"].update(torch="99.1.0"))
    flip(copied / "weights.safetensors")  # the header is checked before the files
    with pytest.raises(ArtifactError, match=r"need torch 99\.1\.0 or later.*composer compile small\.yaml"):
        composer_compile.load(copied)


def test_a_file_outside_the_artifact_is_never_read(copied: Path) -> None:
    (copied.parent / "secret").write_bytes(b"")
    entry = {"sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "bytes": 0}
    rewritten(copied, lambda data: data["files"].update({"../secret": entry}))
    with pytest.raises(ArtifactError, match="is not a file of this artifact"):
        composer_compile.load(copied)


def test_pickled_programs_are_refused(small: Any, tmp_path: Path) -> None:
    """A program file with a right hash is still not unpickled."""
    source = next((small.artifact / "programs").iterdir())
    target = tmp_path / "pickled.pt2"
    old, new = b'"config": {}', b'"config": {"x": {"use_pickle": true}}'
    with zipfile.ZipFile(source) as given, zipfile.ZipFile(target, "w") as archive:
        for name in given.namelist():
            content = given.read(name)
            archive.writestr(
                name, content.replace(old, new) if name.endswith("weights_config.json") else content
            )
    with pytest.raises(ArtifactError, match="pickled"):
        ExportLoader().load(lambda: target, memoryview(target.read_bytes()), [], torch.device("cpu"))


def test_damaged_zips_are_found(small: Any, tmp_path: Path) -> None:
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", small.artifact))
    packed.write_bytes(packed.read_bytes()[:-30])
    with pytest.raises(ArtifactError):
        composer_compile.load(packed)


def test_inspect_prints_one_line_and_code_1(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flip(copied / "weights.safetensors")
    assert main(["inspect", str(copied)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("composer: error: ")
    assert error.count("\n") == 1
    assert open_container(copied).manifest.name == "small"


@pytest.fixture
def parted(small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An artifact whose files are hashed in parts of 1000 bytes, as large ones are."""
    monkeypatch.setattr(hashing, "PART_BYTES", 1000)
    copied = tmp_path / "parted"
    shutil.copytree(small.artifact, copied)
    manifest = read_manifest((copied / "manifest.json").read_bytes(), "it")
    files = file_entries(copied)
    assert len(files["weights.safetensors"].parts) > 10
    (copied / "manifest.json").write_bytes(write_manifest(manifest.model_copy(update={"files": files})))
    return copied


@pytest.mark.usefixtures("unused")
def test_damage_in_any_part_of_a_large_file_is_found(parted: Path) -> None:
    path = parted / "weights.safetensors"
    kept = path.read_bytes()
    composer_compile.load(parted).close()
    for place in (0, 999, 1000, 1001, len(kept) // 2, len(kept) - len(kept) % 1000, len(kept) - 1):
        content = bytearray(kept)
        content[place] ^= 1
        path.write_bytes(content)
        with pytest.raises(ArtifactError, match=r"weights\.safetensors is not the file that was written"):
            composer_compile.load(parted)
        with pytest.raises(ArtifactError, match=r"weights\.safetensors is not the file that was written"):
            open_container(parted).read("weights.safetensors")
    first, second = kept[:1000], kept[1000:2000]
    path.write_bytes(second + first + kept[2000:])
    with pytest.raises(ArtifactError, match=r"weights\.safetensors is not the file that was written"):
        composer_compile.load(parted)


@pytest.mark.usefixtures("unused")
@pytest.mark.parametrize(
    "change", [lambda parts: parts.pop(), lambda parts: parts.append(parts[0])], ids=["fewer", "more"]
)
def test_as_many_parts_as_the_file_has(parted: Path, change: Callable[[list[str]], Any]) -> None:
    rewritten(parted, lambda data: change(data["files"]["weights.safetensors"]["parts"]))
    with pytest.raises(ArtifactError, match=r"weights\.safetensors is not the file that was written"):
        composer_compile.load(parted)


def test_nothing_is_hashed_any_more_when_loading_has_ended(copied: Path) -> None:
    """Threads that went on would read a file that its owner may shorten: that ends a process."""
    rewritten(copied, lambda data: data["backend"]["made_with"].update(torch="99.1.0"))
    with pytest.raises(ArtifactError, match=r"need torch 99\.1\.0"):
        composer_compile.load(copied)
    assert not [each for each in threading.enumerate() if each.name.startswith("composer-hash")]
