"""Zips of artifacts as people and other programs make them, and zips that were made to do harm."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import composer_compile
import numpy as np
import pytest
import torch
from composer_compile.artifact.container import MANIFEST, is_artifact, open_container
from composer_compile.backends.export_loader import ExportLoader
from composer_compile.backends.pt2 import check_package
from composer_compile.errors import ArtifactError, TemporaryFolderError

Clip = Callable[[int], np.ndarray]


def packed(folder: Path, target: Path, *, top: str = "", compressed: bool = False) -> Path:
    """A zip of a folder's files, below the folder `top` in it."""
    form = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(target, "w", form) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, f"{top}{path.relative_to(folder).as_posix()}")
    return target


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of the test's own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("top", ["", "artifact/", "größer 袋/"])
def test_a_zip_of_the_files_or_of_their_folder_answers(
    small: Any, tmp_path: Path, temporary: Path, clip: Clip, top: str, compressed: bool
) -> None:
    path = packed(small.artifact, tmp_path / "packed.zip", top=top, compressed=compressed)
    assert is_artifact(path)
    with composer_compile.load(path) as artifact:
        expected = small.model.run("caption", video=clip(1))["caption"]
        assert artifact.run("caption", video=clip(1))["caption"] == expected
        assert any(temporary.iterdir())  # the vocabulary
    assert not any(temporary.iterdir())


def test_what_systems_put_beside_files_is_passed_over(small: Any, tmp_path: Path, copied: Path) -> None:
    (copied / ".DS_Store").write_bytes(b"x")
    (copied / "programs" / "Thumbs.db").write_bytes(b"x")
    open_container(copied).verify()
    path = packed(copied, tmp_path / "packed.zip", top="copy/")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/copy/._manifest.json", b"x")
        archive.writestr("__MACOSX/manifest.json", b"x")
    open_container(path).verify()


def test_two_artifacts_in_one_zip_are_none(small: Any, tmp_path: Path) -> None:
    path = packed(small.artifact, tmp_path / "packed.zip", top="one/")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("two/manifest.json", b"{}")
    assert not is_artifact(path)
    with pytest.raises(ArtifactError, match=r"holds no manifest\.json"):
        open_container(path)


def test_a_file_beside_the_folder_is_foreign(small: Any, tmp_path: Path) -> None:
    path = packed(small.artifact, tmp_path / "packed.zip", top="one/")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("readme.txt", b"hello")
    with pytest.raises(ArtifactError, match=r"holds readme\.txt, which its manifest does not name"):
        open_container(path).verify()


def named(name: str, content: bytes = b"x", attributes: int = 0) -> Callable[[zipfile.ZipFile], None]:
    info = zipfile.ZipInfo("name")
    info.filename = name
    info.external_attr = attributes
    return lambda archive: archive.writestr(info, content)


def doubled(archive: zipfile.ZipFile) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(archive.namelist()[0], b"x")


HARMFUL = {
    "a parent": (named("../secret"), "the name '../secret'"),
    "a parent inside": (named("programs/../../secret"), "leads|not a name of a file"),
    "a root": (named("/etc/passwd"), "the name '/etc/passwd'"),
    "a drive": (named("C:/secret"), "the name 'C:/secret'"),
    "backslashes": (named("..\\secret"), "not a name of a file"),
    "a name twice": (doubled, "two entries with the name"),
    "a link": (named("link", b"/etc/passwd", (stat.S_IFLNK | 0o777) << 16), "the link 'link'"),
}


@pytest.mark.parametrize("harm", HARMFUL)
def test_harmful_entries_are_refused(small: Any, tmp_path: Path, harm: str) -> None:
    change, message = HARMFUL[harm]
    path = packed(small.artifact, tmp_path / "packed.zip")
    with zipfile.ZipFile(path, "a") as archive:
        change(archive)
    with pytest.raises(ArtifactError, match=message):
        open_container(path)


@pytest.mark.parametrize("harm", HARMFUL)
def test_harmful_entries_of_a_program_file_are_refused(small: Any, tmp_path: Path, harm: str) -> None:
    """Before torch sees the file."""
    change, message = HARMFUL[harm]
    path = tmp_path / "program.pt2"
    shutil.copy(next((small.artifact / "programs").iterdir()), path)
    with zipfile.ZipFile(path, "a") as archive:
        change(archive)
    content = memoryview(path.read_bytes())
    with pytest.raises(ArtifactError, match=message):
        ExportLoader().load(lambda: path, content, [], torch.device("cpu"))
    with pytest.raises(ArtifactError, match=message):
        check_package(content)


def test_a_program_file_that_grows_is_refused(small: Any, tmp_path: Path) -> None:
    path = tmp_path / "program.pt2"
    shutil.copy(next((small.artifact / "programs").iterdir()), path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("zeros", bytes(1 << 20), zipfile.ZIP_DEFLATED, 9)
    with pytest.raises(ArtifactError, match="the compressed entry 'zeros'"):
        ExportLoader().load(lambda: path, memoryview(path.read_bytes()), [], torch.device("cpu"))


def test_a_compressed_file_gives_no_more_than_the_manifest_says(
    copied: Path, tmp_path: Path, temporary: Path
) -> None:
    """Whatever its own header says."""
    (copied / "LICENSES.txt").write_bytes(b"ab" * (1 << 19))
    path = packed(copied, tmp_path / "packed.zip", compressed=True)
    container = open_container(path)
    size = container.manifest.files["LICENSES.txt"].bytes
    with pytest.raises(
        ArtifactError, match=rf"LICENSES\.txt has {size + 1} bytes and the manifest says {size}"
    ):
        container.read("LICENSES.txt")
    container.close()
    assert not any(temporary.iterdir())


def test_a_library_file_holds_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "program.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("program/models/model.json", b"{}")
    with pytest.raises(ArtifactError, match="more than a library"):
        check_package(path.read_bytes())
    with pytest.raises(ArtifactError, match="not a library"):
        check_package(b"PK")


def test_a_full_temporary_folder_is_one_sentence(
    small: Any, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(small.artifact, tmp_path / "packed.zip")

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with (
        composer_compile.load(path) as artifact,
        pytest.raises(TemporaryFolderError, match=r"temporary \(TMPDIR\), cannot be used: No space left"),
    ):
        artifact.task("classify")
    assert not any(temporary.iterdir())


def test_a_manifest_below_two_folders_is_no_artifact(small: Any, tmp_path: Path) -> None:
    path = packed(small.artifact, tmp_path / "packed.zip", top="a/b/")
    with pytest.raises(ArtifactError, match=MANIFEST):
        open_container(path)
