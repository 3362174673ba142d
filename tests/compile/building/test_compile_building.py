"""Processes that build: what they do side by side, and how their end is told."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import composer_compile
import pytest
from composer_compile.backends import inductor_builder, inductor_job
from composer_compile.backends.inductor_job import LibraryJob
from composer_compile.building.pool import BuilderPool, jobs_here
from composer_compile.building.process import BuilderProcess
from composer_compile.errors import BackendError, BuilderEndedError, CompileError, TemporaryFolderError
from composer_compile.options import BuildOptions

JOBS = """
import os, signal, time
from dataclasses import dataclass
from pathlib import Path

from composer_compile.errors import BackendError, CompileError, TemporaryFolderError

@dataclass(frozen=True)
class Does:
    code: str
    stage: str = "encode"
    library: str = "the library"

    def run(self):
        exec(self.code, globals())

def falls():
    print("reading the kernels")
    os.kill(os.getpid(), signal.SIGSEGV)
"""


@pytest.fixture
def does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A job that runs Python code; its class is imported in the process that builds."""
    (tmp_path / "jobs_of_a_test.py").write_text(JOBS)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("jobs_of_a_test", None)
    import jobs_of_a_test  # type: ignore[import-not-found]

    return jobs_of_a_test.Does


def test_a_builder_that_kills_itself_is_one_sentence_and_the_next_job_is_done(
    does: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Stage, signal, where it stood, what it said last; nothing of it reaches the command's own output."""
    process = BuilderProcess()
    with pytest.raises(BuilderEndedError) as caught:
        process.do(does("falls()"))
    assert re.fullmatch(
        r"stage encode cannot be built: the library ended the process that builds "
        r"\(SIGSEGV in \S*jobs_of_a_test\.py, line \d+, falls: reading the kernels\)",
        str(caught.value),
    )
    process.do(does(f"Path({str(tmp_path / 'done')!r}).write_text('x')"))
    assert (tmp_path / "done").exists()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("raise BackendError('no library')", BackendError, "^no library$"),
        ("raise TemporaryFolderError('it is full')", TemporaryFolderError, "^it is full$"),
        ("raise CompileError('too wide')", CompileError, "^too wide$"),
        ("raise KeyError('x')", CompileError, "^stage encode cannot be built by the library .'x'.$"),
        ("os._exit(0)", BuilderEndedError, "exit code 0"),
    ],
)
def test_errors_come_back(does: Any, code: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        BuilderProcess().do(does(code))


def test_jobs_run_side_by_side(does: Any, tmp_path: Path) -> None:
    """Each waits for a file that the other one writes, so neither could end alone; the third takes a free process."""
    pool = BuilderPool(2)
    code = "Path({own!r}).write_text('')\nwhile not Path({other!r}).exists():\n    time.sleep(0.01)\n"
    first, second, third = (str(tmp_path / name) for name in "abc")
    waits = [
        pool.submit(does(code.format(own=first, other=second))),
        pool.submit(does(code.format(own=second, other=first))),
        pool.submit(does(code.format(own=third, other=first))),
    ]
    for wait in waits:
        wait()
    assert Path(third).exists()


def test_a_pool_that_is_closed_waits_for_nothing(does: Any) -> None:
    pool = BuilderPool(1)
    running, waiting = pool.submit(does("while True: time.sleep(1)")), pool.submit(does("pass"))
    pool.close()
    for wait in (running, waiting):
        with pytest.raises((BuilderEndedError, CancelledError)):
            wait()


def test_a_process_ends_with_the_command_that_started_it(does: Any, tmp_path: Path) -> None:
    """Even in the middle of a build, and where the command is killed."""
    told = tmp_path / "pid"
    code = f"Path({str(told)!r}).write_text(str(os.getpid()))\nwhile True: time.sleep(1)"
    command = (
        "import jobs_of_a_test\nfrom composer_compile.building.process import BuilderProcess\n"
        f"BuilderProcess().do(jobs_of_a_test.Does({code!r}))"
    )
    path = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), *sys.path))}
    parent = subprocess.Popen([sys.executable, "-c", command], env=path)
    while not (told.exists() and told.read_text()):
        assert parent.poll() is None
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    while _alive(int(told.read_text())):
        time.sleep(0.1)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("cores", "free", "jobs"), [(16, 120, 6), (8, 120, 4), (2, 120, 2), (2, 5, 1), (16, 9, 2), (1, 0, 1)]
)
def test_how_many_jobs_go_by_cores_and_memory(
    cores: int, free: int, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    monkeypatch.setattr("composer_compile.building.pool.TOGETHER", 2)
    monkeypatch.setattr("composer_compile.building.pool._free_memory", lambda: free << 30)
    assert jobs_here(None) == jobs
    assert jobs_here(5) == 5


@dataclass(frozen=True)
class Falling(LibraryJob):
    """A library's build that crashes."""

    def run(self) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
def test_a_compile_whose_library_builder_crashes_is_refused_and_leaves_nothing(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = inductor_job.library_job

    def falling(*given: Any) -> Any:
        job, held = real(*given)
        return Falling(**vars(job)), held

    monkeypatch.setattr(inductor_builder, "library_job", falling)
    monkeypatch.syspath_prepend(Path(__file__).parent)
    target = tmp_path / "dist" / "out"
    target.parent.mkdir()
    lines: list[str] = []
    options = composer_compile.Options(backend="inductor", build=BuildOptions(jobs=2))
    with pytest.raises(CompileError, match=r"^stage \w+ cannot be built: inductor ended .*\(SIGSEGV in "):
        composer_compile.compile_document(
            small.document,
            target,
            tasks=["classify", "video-qa"],
            weights=small.weights,
            options=options,
            progress=lines.append,
        )
    assert list(target.parent.iterdir()) == []
    assert len(lines) >= 2  # all stages were begun
