"""Mistakes with `--out`, `--set`, `--range` and disks: one sentence, nothing written."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import composer_compile
import pytest
from composer_compile.artifact import writer
from composer_compile.artifact.weight_store import WeightStore
from composer_compile.artifact.writer import check_target, put_in_place, workplace
from composer_compile.errors import CompileError

from composer.cli import main

Printed = pytest.CaptureFixture[str]


def everything(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


MISTAKES: dict[str, tuple[list[str], str]] = {
    "a range of no input": (["--range", "answer.length=1..2"], "answer.length"),
    "a dimension of an input that it lacks": (["--range", "question.width=1..2"], "question.width"),
    "a range beyond the modules": (["--range", "question.length=1..2000"], "question.length"),
    "a huge range": (["--range", f"batch=1..{10**30}"], "batch"),
    "a parameter that is not there": (["--set", "depth=3"], "depth"),
    "a parameter of another type": (["--set", "hidden=wide"], "hidden"),
    "a parameter that does not fit the weights": (["--set", "hidden=32"], "hidden"),
    "a backend that is not there": (["--backend", "onnx"], "onnx"),
    "a precision of no module": (["--precision", "nose=bf16"], "nose"),
    "weights that are not there": (["--weights", "gone.safetensors"], "gone.safetensors"),
}


@pytest.mark.parametrize("text", ["0..3", "3..1", "few", "1..2, best 9"])
def test_a_range_that_is_none_is_wrong_usage(tmp_path: Path, capsys: Printed, text: str) -> None:
    given = ["--range", f"batch={text}", "--out", str(tmp_path / "new" / "out")]
    assert main(["compile", "mplug2", *given]) == 2
    error = capsys.readouterr().err
    assert "range of `batch`" in error
    assert "Traceback" not in error
    assert everything(tmp_path) == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_of_an_option_is_told_and_nothing_is_written(
    small: Any, tmp_path: Path, capsys: Printed, mistake: str
) -> None:
    given, message = MISTAKES[mistake]
    weights = [] if "--weights" in given else ["--weights", str(small.weights)]
    command = ["compile", f"{small.document}:classify", *weights, *given]
    assert main([*command, "--out", str(tmp_path / "new" / "out")]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert everything(tmp_path) == []


@pytest.mark.parametrize(
    "mistake",
    [
        "--range batch",
        "--set hidden",
        "--precision int8",
        "--device tpu",
        "--tolerance much",
        "--tolerance nan",
        "--tolerance 0",
    ],
)
def test_an_option_that_cannot_be_read_is_wrong_usage(small: Any, capsys: Printed, mistake: str) -> None:
    assert main(["compile", str(small.document), "--out", "out", *mistake.split()]) == 2
    assert mistake.split(maxsplit=1)[0] in capsys.readouterr().err


def full(folder: Path) -> Path:
    (folder / "notes").mkdir()
    (folder / "notes" / "mine.txt").write_text("keep")
    return folder / "notes"


def a_file(folder: Path) -> Path:
    (folder / "notes").write_text("keep")
    return folder / "notes"


def below_a_file(folder: Path) -> Path:
    (folder / "notes").write_text("keep")
    return folder / "notes" / "out"


def too_long(folder: Path) -> Path:
    return folder / ("x" * 300)


def too_long_above(folder: Path) -> Path:
    return folder / ("x" * 300) / "out"


def with_nul(folder: Path) -> Path:
    return folder / "a\0b"


TARGETS = [full, a_file, below_a_file, too_long, too_long_above, with_nul]


@pytest.mark.parametrize("target", TARGETS, ids=lambda each: each.__name__)
def test_a_target_that_cannot_be_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: Printed, target: Callable[[Path], Path]
) -> None:
    out = target(tmp_path)
    before = everything(tmp_path)
    assert main(["compile", "quickstart:image-qa", "--weights", "gone", "--out", str(out)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("composer: error: ")
    assert error.count("\n") == 1
    assert "gone" not in error
    assert everything(tmp_path) == before


def test_no_name_is_refused(capsys: Printed) -> None:
    assert main(["compile", "quickstart:image-qa", "--out", ""]) == 1
    assert "--out is empty" in capsys.readouterr().err


def test_a_target_inside_an_artifact_is_refused(copied: Path) -> None:
    before = everything(copied)
    for inside in ("more", "programs/more", "deep/er/more"):
        with pytest.raises(CompileError, match="lies inside the artifact"):
            check_target(copied / inside)
    assert everything(copied) == before


def test_a_directory_is_not_replaced_by_a_zip(copied: Path) -> None:
    folder = copied.rename(copied.with_name("copy.zip"))
    with pytest.raises(CompileError, match="is a directory"):
        check_target(folder)


def finished(target: Path, text: str = "new") -> None:
    """Put a folder with one file at a target, as a compile does."""
    with workplace(check_target(target)) as folder:
        (folder / "manifest.json").write_text(text)
        put_in_place(folder, check_target(target))


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    finished(tmp_path / "v1", "old")
    (tmp_path / "current").symlink_to("v1")
    finished(tmp_path / "current")
    assert (tmp_path / "current").is_symlink()
    assert (tmp_path / "v1" / "manifest.json").read_text() == "new"
    assert everything(tmp_path) == [str(tmp_path / each) for each in ("current", "v1", "v1/manifest.json")]


def test_the_folder_that_one_stands_in_may_be_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    finished(Path("."))
    assert (tmp_path / "here" / "manifest.json").read_text() == "new"
    monkeypatch.chdir(tmp_path)


def test_a_zip_of_another_name_is_replaced(small: Any, tmp_path: Path) -> None:
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", small.artifact)).rename(
        tmp_path / "packed"
    )
    finished(packed)
    assert everything(tmp_path) == [str(packed), str(packed / "manifest.json")]


@pytest.mark.parametrize("name", ["ü" * 100, "наименование 名前", "a b'c\"d", "x" * 250])
def test_names_may_be_long_and_of_any_letters(tmp_path: Path, name: str) -> None:
    finished(tmp_path / name)
    finished(tmp_path / name)
    assert everything(tmp_path) == [str(tmp_path / name), str(tmp_path / name / "manifest.json")]


def test_two_that_write_to_one_place_at_once_leave_one_whole(tmp_path: Path) -> None:
    barrier = threading.Barrier(4)
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            with workplace(tmp_path / "out") as folder:
                (folder / "manifest.json").write_text(str(number))
                (folder / str(number)).write_text("")
                barrier.wait()
                put_in_place(folder, tmp_path / "out")
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not faults
    number = (tmp_path / "out" / "manifest.json").read_text()
    assert everything(tmp_path) == sorted(
        str(tmp_path / each) for each in ("out", f"out/{number}", "out/manifest.json")
    )


NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def no_space(*_: object, **__: object) -> None:
    raise NO_SPACE


WRITES: dict[str, tuple[object, str]] = {
    "a program": (Path, "write_bytes"),
    "a text": (Path, "write_text"),
    "the weights": (WeightStore, "write"),
    "what is synced": (writer, "_sync"),
    "a zip": (shutil, "copyfileobj"),
}


@pytest.mark.parametrize("place", WRITES)
def test_a_full_disk_is_one_sentence_and_the_older_artifact_stays(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed, place: str
) -> None:
    target = tmp_path / "out.zip"
    shutil.make_archive(str(tmp_path / "out"), "zip", small.artifact)
    before = target.read_bytes()
    ranges = ["--range", "batch=2..2", "--range", "question.length=3..3"]
    command = ["compile", f"{small.document}:classify", "--weights", str(small.weights), "--out", str(target)]
    monkeypatch.setattr(*WRITES[place], no_space)
    assert main([*command, *ranges]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"composer: error: {target} cannot be written: No space left on device"
    )
    assert everything(tmp_path) == [str(target)]
    assert target.read_bytes() == before


def test_a_file_that_may_not_grow_so_large_is_told_with_its_place(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    """As on a disk of FAT, where 4 GB are the most."""

    def too_large(*_: object, **__: object) -> None:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    monkeypatch.setattr(Path, "write_bytes", too_large)
    command = ["compile", f"{small.document}:classify", "--weights", str(small.weights)]
    assert main([*command, "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"composer: error: {tmp_path / 'out'} cannot be written: File too large"
    )
    assert everything(tmp_path) == []


def test_a_full_disk_below_safetensors_is_told_like_any_other(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors.torch
    from safetensors import SafetensorError

    def fails(*_: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(safetensors.torch, "save_file", fails)
    options = composer_compile.Options(ranges={"batch": "2..2", "question.length": "3..3"})
    with pytest.raises(CompileError, match="cannot be written: No space left on device"):
        composer_compile.compile_document(
            small.document, tmp_path / "out", tasks=["classify"], weights=small.weights, options=options
        )
    assert everything(tmp_path) == []


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the administrator may write anywhere"
)
def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(CompileError, match="may not be written in"):
        finished(tmp_path / "out")
