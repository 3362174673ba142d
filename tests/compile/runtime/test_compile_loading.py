"""Loading from several threads and processes at once; temporary folders that cannot be used, or must be left clean."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import composer_compile
import pytest
import torch
from composer_compile import patches, scratch
from composer_compile.backends import export_loader
from composer_compile.errors import TemporaryFolderError
from composer_compile.scratch import Scratch

from composer.cli import main

THREADS = 4


@pytest.fixture
def packed(small: Any, tmp_path: Path) -> Path:
    return Path(shutil.make_archive(str(tmp_path / "packed"), "zip", small.artifact.parent, "artifact"))


def test_several_artifacts_are_loaded_by_several_threads_at_once(small: Any, copied: Path) -> None:
    barrier = threading.Barrier(THREADS)

    def work(path: Path) -> object:
        barrier.wait()
        with composer_compile.load(path) as artifact:
            return artifact.run("classify", question="what is it")["scores"]

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(work, [small.artifact, copied] * (THREADS // 2)))
    expected = small.model.run("classify", question="what is it")["scores"]
    for each in found:
        torch.testing.assert_close(each, expected, rtol=1e-4, atol=1e-5)


def test_one_thread_at_a_time_is_in_torch(small: Any, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = threading.Lock()
    met: list[str] = []
    waiting = threading.Event()
    real = export_loader._without_graph

    def load(*arguments: Any) -> Any:
        if not inside.acquire(blocking=False):
            met.append("two threads")
            return real(*arguments)
        try:
            met.append("one thread")
            waiting.wait(0.3)  # time for the other thread to come in, which it must not
            return real(*arguments)
        finally:
            inside.release()

    monkeypatch.setattr(export_loader, "_without_graph", load)

    def work(path: Path) -> None:
        with composer_compile.load(path) as artifact:
            artifact.warm_up("classify")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, [small.artifact, copied]))
    assert set(met) == {"one thread"}


def test_what_is_changed_for_a_moment_is_put_back(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._export.serde import serialize

    monkeypatch.setattr(
        export_loader, "read_short_form", lambda content: None
    )  # torch's own reader is what is patched
    before = vars(serialize)["typing"], list(warnings.filters), dict(os.environ), tempfile.tempdir
    with composer_compile.load(small.artifact) as artifact:
        artifact.warm_up("classify")
    assert (vars(serialize)["typing"], list(warnings.filters), dict(os.environ)) == before[:3]


def test_switches_of_torch_go_back_when_the_last_thread_is_done() -> None:
    cudnn: Any = torch.backends.cudnn  # its switches have no types
    conv = cudnn.conv
    before = conv.fp32_precision
    first, second = patches.full_float32(), patches.full_float32()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert conv.fp32_precision != "tf32"
    second.__exit__(None, None, None)
    assert conv.fp32_precision == before


def test_a_patch_goes_with_its_block() -> None:
    class Base:
        name = "base"

    class Owner(Base):
        pass

    with patches.patched(Owner, "name", "other"):
        assert Owner.name == "other"
    assert Owner.name == "base"
    assert "name" not in vars(Owner)


def test_several_processes_load_a_zip_at_once(packed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    code = (
        "import composer_compile\n"
        f"artifact = composer_compile.load({str(packed)!r})\n"
        "print(artifact.run('classify', question='it')['scores'].shape)"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "TMPDIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in started:
        out, error = process.communicate(timeout=300)
        assert (process.returncode, out) == (0, "torch.Size([5])\n"), error
    assert not any(folder.iterdir())


def missing(folder: Path) -> None:
    folder.rmdir()


def a_file(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("")


@pytest.mark.parametrize("fault", [missing, a_file], ids=lambda each: each.__name__)
def test_a_temporary_folder_that_is_missing_is_one_sentence(
    packed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: Any,
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    fault(folder)
    monkeypatch.setenv("TMPDIR", str(folder))
    assert main(["run", f"{packed}:classify", "question=it"]) == 1
    error = capsys.readouterr().err
    assert error == (
        f"composer: error: the folder for temporary files, {folder} (TMPDIR), cannot be used: there is no such folder; "
        "name another one with TMPDIR\n"
    )


@pytest.mark.parametrize(
    ("number", "reason"),
    [(30, "Read-only file system"), (28, "No space left on device"), (13, "Permission denied")],
)
def test_a_temporary_folder_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    def fails(**_: object) -> str:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "mkdtemp", fails)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with pytest.raises(TemporaryFolderError, match=rf"{tmp_path} \(TMPDIR\), cannot be used: {reason}"):
        Scratch("test")


def test_a_temporary_folder_that_runs_nothing_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(scratch, "_is_noexec", lambda folder: True)
    Scratch("test").close()
    with pytest.raises(TemporaryFolderError, match=r"\(TMPDIR\), cannot be used: it is mounted noexec"):
        Scratch("test", runs_code=True)
    assert not any(tmp_path.iterdir())


def test_a_machine_without_any_temporary_folder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> str:
        raise FileNotFoundError

    for name in scratch.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "gettempdir", fails)
    with pytest.raises(TemporaryFolderError, match="name one with TMPDIR"):
        Scratch("test")


HELD = """
import sys, time, composer_compile
artifact = composer_compile.load(sys.argv[1])
artifact.run("classify", question="it")
print("there", flush=True)
time.sleep(120)
"""
COMPILING = """
import sys, time
import composer_compile.compiler as compiler

def wait(*arguments, **options):
    print("there", flush=True)
    time.sleep(120)

compiler._Job._compare = wait
compiler.compile_document(
    sys.argv[1], sys.argv[2], weights=sys.argv[3], tasks=["classify"],
    options=compiler.Options(ranges={"batch": "2..2", "question.length": "3..3"}),
)
"""


def ended_by(number: int, code: str, *arguments: object, folder: Path) -> int:
    """How a process ends that is sent a signal once it has said that it is there."""
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # background jobs ignore it
    command = [sys.executable, "-c", heeding + code, *map(str, arguments)]
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        process.send_signal(number)
        process.wait(timeout=60)
    return int(process.returncode)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda each: each.name)
def test_a_loaded_zip_leaves_nothing_in_the_temporary_folder(
    packed: Path, tmp_path: Path, number: signal.Signals
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    assert ended_by(number, HELD, packed, folder=folder) == -number
    assert not any(folder.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda each: each.name)
def test_a_compile_that_is_ended_leaves_nothing(small: Any, tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    target = tmp_path / "deep" / "er" / "target"
    assert ended_by(number, COMPILING, small.document, target, small.weights, folder=folder) == -number
    assert not any(folder.iterdir())
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".part")]
    assert not target.exists()


def test_a_signal_waits_for_what_must_not_be_cut(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from composer_compile.scratch import Scratch, undisturbed
kept = Scratch("test")
with undisturbed():
    os.kill(os.getpid(), signal.SIGTERM)
    open(sys.argv[1], "w").write("done")
print("not reached")
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "file")],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_handler_of_the_program_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    own = signal.getsignal(signal.SIGTERM)
    try:
        Scratch("test").close()
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_forked_process_removes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    kept = Scratch("test")
    monkeypatch.setattr(os, "getpid", lambda: -1)
    scratch._remove(kept.path)
    assert kept.path.is_dir()
    shutil.rmtree(kept.path)
